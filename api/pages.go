package api

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/web"
)

// pagePolicy lets our pages load files and data of this server only. The scripts of the pages
// make no HTML from text.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageHandlers answer with the pages for moderators and operators. The pages are the same for
// everybody and have no data: the calls of their scripts carry the credential.
type pageHandlers struct{ files fs.FS }

func newPageHandlers() *pageHandlers { return &pageHandlers{web.Pages()} }

func pageRoutes() []route {
	h := newPageHandlers()
	return []route{
		{"GET", "/moderate", h.page("moderate.html")},
		{"GET", "/inspect", h.page("inspect.html")},
		{"GET", "/pages/:name", h.file},
	}
}

// pageTypes are the media types of the files that GET /pages/{name} has, by their extensions.
var pageTypes = map[string]string{".js": scriptType, ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

// page returns the handler of a page.
func (h *pageHandlers) page(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set(echo.HeaderContentSecurityPolicy, pagePolicy)
		header.Set(echo.HeaderXFrameOptions, "DENY")
		header.Set(echo.HeaderReferrerPolicy, "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		return h.send(c, name, echo.MIMETextHTMLCharsetUTF8)
	}
}

// file answers GET /pages/{name} with a script or style of the pages. Problem: not_found.
func (h *pageHandlers) file(c echo.Context) error {
	name := c.Param("name")
	known, ok := pageTypes[path.Ext(name)]
	if !ok || !fs.ValidPath(name) {
		return problemNotFound.with("")
	}
	return h.send(c, name, known)
}

func (h *pageHandlers) send(c echo.Context, name, contentType string) error {
	body, err := fs.ReadFile(h.files, name)
	if err != nil {
		return problemNotFound.with("")
	}
	tag, err := tagOf(string(body))
	if err != nil {
		return fmt.Errorf("hash %s: %w", name, err)
	}
	header := c.Response().Header()
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set(echo.HeaderCacheControl, "no-cache")
	header.Set("ETag", tag)
	if hasTag(c, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, contentType, body)
}
