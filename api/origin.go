package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	// corsHeaders are the header fields that the routes read and that the Fetch standard
	// does not allow anyway. Pages of allowed origins may send others, too.
	corsHeaders = "Authorization, Content-Type, Last-Event-ID, Cache-Control, Prefer, Idempotency-Key"
	// corsExposed are the header fields of answers that pages of allowed origins may read.
	corsExposed = "Next-Cursor, ETag, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Location, X-Request-Id"
	// corsMaxAge is how long a browser keeps the answer to a preflight, in seconds. It is
	// the most that Chromium accepts.
	corsMaxAge = "7200"
)

// allowedHeaders returns corsHeaders and the header fields that a preflight asks for.
// Tools for tracing add fields of their own to every request of a page; "*" would not do,
// because it does not apply to requests with credentials.
func allowedHeaders(preflight *http.Request) string {
	asked := strings.Join(preflight.Header.Values(echo.HeaderAccessControlRequestHeaders), ", ")
	if asked == "" {
		return corsHeaders
	}
	return corsHeaders + ", " + asked
}

// guardOrigin is the middleware for CORS (Fetch standard, "HTTP extensions") on /v1/.
// It answers preflights with 204, lets allowed origins read every answer, problems
// included, and refuses requests of other pages with forbidden_origin before a handler
// runs. A request without Origin, from our own page or from a program, passes. Pages of
// other sites can neither frame an answer nor load one as an image or a script. The log
// names each origin that is refused.
func (s *Server) guardOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, header := c.Request(), c.Response().Header()
		if !strings.HasPrefix(r.URL.Path, apiPrefix) {
			return next(c)
		}
		header.Add(echo.HeaderVary, echo.HeaderOrigin)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set(echo.HeaderXFrameOptions, "DENY")
		origin := r.Header.Get(echo.HeaderOrigin)
		allowed := s.auth.Origins.Allows(origin)
		if allowed {
			header.Set(echo.HeaderAccessControlAllowOrigin, origin)
			header.Set(echo.HeaderAccessControlAllowCredentials, "true")
			header.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		}
		foreign := s.auth.Origins.Foreign(r)
		if foreign { // also for a preflight: after its answer, the browser does not send the request
			s.foreign.note(r.Context(), origin)
		}
		if r.Method == http.MethodOptions {
			if allowed {
				header.Set(echo.HeaderAccessControlAllowMethods, strings.Join(s.methods, ", "))
				header.Set(echo.HeaderAccessControlAllowHeaders, allowedHeaders(r))
				header.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
			}
			return c.NoContent(http.StatusNoContent)
		}
		if foreign {
			return problemOrigin.with("add it to TIDINGS_ALLOWED_ORIGINS; if the page is served from this address, set TIDINGS_PUBLIC_URL, " +
				"or have the proxy send Host or X-Forwarded-Host as the browser sent it")
		}
		return next(c)
	}
}
