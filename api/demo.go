package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
)

// A Demo sets the demo page, on which two users write to each other. The page gives the
// users' tokens to everybody who asks: use it for development only.
type Demo struct {
	Post   string // id of the post that the page shows
	Secret string // signs the users' tokens
	Users  []auth.Identity
	// Lines returns commands that the page shows, to be pasted into a terminal. base is
	// the address of the page, without a path.
	Lines func(base string) []DemoLine
}

// A DemoLine is a command and what it does.
type DemoLine struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// demoTokenLifetime is longer than a day's work with an open page.
const demoTokenLifetime = 24 * time.Hour

// demoPolicy lets the elements show HTML of comments and pictures of users.
const demoPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types tidings"

// demoHandlers answer with the demo page and its configuration.
type demoHandlers struct {
	demo  *Demo
	pages *pageHandlers
}

func demoRoutes(demo *Demo) []route {
	h := &demoHandlers{demo, newPageHandlers()}
	return []route{
		{"GET", "/", h.page},
		{"GET", "/demo/config", h.config},
	}
}

// page answers GET / with the page.
func (h *demoHandlers) page(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, demoPolicy)
	return h.pages.send(c, "demo.html", echo.MIMETextHTMLCharsetUTF8)
}

// A demoUserJSON is a user of the page.
type demoUserJSON struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// config answers GET /demo/config with the post, the users with new tokens, the lines, and the
// address of the script that lasts.
func (h *demoHandlers) config(c echo.Context) error {
	users := make([]demoUserJSON, len(h.demo.Users))
	for i, u := range h.demo.Users {
		u.Expires = time.Now().Add(demoTokenLifetime)
		token, err := auth.SignToken(h.demo.Secret, u)
		if err != nil {
			return fmt.Errorf("sign demo token: %w", err)
		}
		users[i] = demoUserJSON{ID: u.Subject, Name: u.Name, Token: token}
	}
	tag, _ := ScriptTagOf("comments.js")
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, map[string]any{
		"script": map[string]string{"path": tag.Path, "integrity": tag.Integrity},
		"post":   h.demo.Post, "users": users, "lines": h.demo.Lines(c.Scheme() + "://" + c.Request().Host),
	})
}
