package api

import (
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/web"
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

const demoPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// demoHandlers answer with the demo page, its files and its configuration.
type demoHandlers struct {
	demo  *Demo
	files http.Handler
}

func newDemoHandlers(demo *Demo) *demoHandlers {
	return &demoHandlers{demo, http.StripPrefix("/demo/", http.FileServerFS(web.Demo()))}
}

// page answers GET / with the page.
func (h *demoHandlers) page(c echo.Context) error {
	page, err := fs.ReadFile(web.Demo(), "demo.html")
	if err != nil {
		return fmt.Errorf("read demo page: %w", err)
	}
	header := c.Response().Header()
	header.Set("Content-Security-Policy", demoPolicy)
	header.Set(echo.HeaderCacheControl, "no-cache")
	return c.HTMLBlob(http.StatusOK, page)
}

// file answers GET /demo/{file} with a script or style sheet, or with not_found.
func (h *demoHandlers) file(c echo.Context) error {
	if info, err := fs.Stat(web.Demo(), c.Param("*")); err != nil || info.IsDir() {
		return problemNotFound.with("")
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	h.files.ServeHTTP(c.Response(), c.Request())
	return nil
}

// A demoUserJSON is a user of the page.
type demoUserJSON struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// config answers GET /demo/config with the post, the users with new tokens, and the lines.
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
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, map[string]any{
		"post": h.demo.Post, "users": users, "lines": h.demo.Lines(c.Scheme() + "://" + c.Request().Host),
	})
}
