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

// A Demo is a page on which two users talk. It hands their tokens to whoever asks:
// for development alone.
type Demo struct {
	Post   string
	Secret string // signs the users' tokens
	Users  []auth.Identity
	// Lines are shown to be pasted into a terminal, for a page at a base address.
	Lines func(base string) []DemoLine
}

// A DemoLine is a command with what it does.
type DemoLine struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// demoTokenLifetime outlives a day's work on an open page.
const demoTokenLifetime = 24 * time.Hour

const demoPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

func (s *Server) routeDemo(e *echo.Echo, demo *Demo) {
	files := http.StripPrefix("/demo/", http.FileServerFS(web.Demo()))
	e.GET("/demo/config", demo.config)
	e.GET("/demo/*", func(c echo.Context) error {
		if info, err := fs.Stat(web.Demo(), c.Param("*")); err != nil || info.IsDir() {
			return problemNotFound.with("")
		}
		c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
		files.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	e.GET("/", func(c echo.Context) error {
		page, err := fs.ReadFile(web.Demo(), "demo.html")
		if err != nil {
			return fmt.Errorf("read demo page: %w", err)
		}
		header := c.Response().Header()
		header.Set("Content-Security-Policy", demoPolicy)
		header.Set(echo.HeaderCacheControl, "no-cache")
		return c.HTMLBlob(http.StatusOK, page)
	})
}

type demoUserJSON struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

func (d *Demo) config(c echo.Context) error {
	users := make([]demoUserJSON, len(d.Users))
	for i, u := range d.Users {
		u.Expires = time.Now().Add(demoTokenLifetime)
		token, err := auth.SignToken(d.Secret, u)
		if err != nil {
			return fmt.Errorf("sign demo token: %w", err)
		}
		users[i] = demoUserJSON{ID: u.Subject, Name: u.Name, Token: token}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, map[string]any{
		"post": d.Post, "users": users, "lines": d.Lines(c.Scheme() + "://" + c.Request().Host),
	})
}
