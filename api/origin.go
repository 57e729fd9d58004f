package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"
)

// origins are the pages that may call us from a browser, besides our own.
type origins map[string]bool

// usualPorts are left out by browsers.
var usualPorts = map[string]string{"http": "80", "https": "443"}

// parseOrigins takes exact origins, scheme://host[:port]. No wildcards: each is
// trusted with its visitors' cookies.
func parseOrigins(list []string) (origins, error) {
	allowed := make(origins, len(list))
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") ||
			s != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("allowed origin %q is not scheme://host[:port]", s)
		}
		if u.Port() == usualPorts[u.Scheme] || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
			return nil, fmt.Errorf("allowed origin %q is not as browsers send it: without the usual port, the host in ASCII", s)
		}
		allowed[strings.ToLower(s)] = true
	}
	return allowed, nil
}

// allows reports whether a page of this origin may read our answers. A browser
// writes origins in lower case; anything else did not come from one.
func (o origins) allows(origin string) bool { return o[origin] }

// ownPage reports whether the origin is the host that was asked. The scheme is not
// compared: behind a proxy that ends TLS we don't know ours.
func ownPage(origin string, r *http.Request) bool {
	return r.Host != "" && (origin == "https://"+r.Host || origin == "http://"+r.Host)
}

// trustsCookie reports whether a cookie is from a page that meant to send it: one of
// an allowed origin, or one of ours by the word of the browser.
func (o origins) trustsCookie(r *http.Request) bool {
	origin := r.Header.Get(echo.HeaderOrigin)
	own := r.Header.Get("Sec-Fetch-Site") == "same-origin" && (origin == "" || ownPage(origin, r))
	return own || o.allows(origin)
}

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Last-Event-ID, Cache-Control, Prefer, Idempotency-Key, If-None-Match"
	corsExposed = "Next-Cursor, Retry-After, WWW-Authenticate, Location, ETag, X-Request-Id"
)

// guardOrigin answers preflights, lets allowed origins read every answer (problems
// too), and turns other pages away before anything is opened for them.
func (s *Server) guardOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, header := c.Request(), c.Response().Header()
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			return next(c)
		}
		header.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := r.Header.Get(echo.HeaderOrigin)
		allowed := s.origins.allows(origin)
		if allowed {
			header.Set(echo.HeaderAccessControlAllowOrigin, origin)
			header.Set(echo.HeaderAccessControlAllowCredentials, "true")
			header.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		}
		if r.Method == http.MethodOptions {
			if allowed {
				header.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
				header.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
				header.Set(echo.HeaderAccessControlMaxAge, "600")
			}
			return c.NoContent(http.StatusNoContent)
		}
		if origin != "" && !allowed && !ownPage(origin, r) {
			return problemOrigin.with("add it to TIDINGS_ALLOWED_ORIGINS")
		}
		return next(c)
	}
}
