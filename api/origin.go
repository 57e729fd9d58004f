package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// The header fields that pages of other origins may send and read: those that the routes
// use, and that the Fetch standard does not allow anyway.
const (
	corsHeaders = "Authorization, Content-Type, Last-Event-ID, Cache-Control, Prefer, Idempotency-Key"
	corsExposed = "Next-Cursor, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Location, X-Request-Id"
)

// guardOrigin is the middleware for CORS (Fetch standard, "HTTP extensions") on /v1/.
// It answers preflights with 204, lets allowed origins read every answer, problems
// included, and refuses requests of other pages with forbidden_origin before a handler
// runs. A request without Origin, from our own page or from a program, passes.
func (s *Server) guardOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, header := c.Request(), c.Response().Header()
		if !strings.HasPrefix(r.URL.Path, apiPrefix) {
			return next(c)
		}
		header.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := r.Header.Get(echo.HeaderOrigin)
		allowed := s.auth.Origins.Allows(origin)
		if allowed {
			header.Set(echo.HeaderAccessControlAllowOrigin, origin)
			header.Set(echo.HeaderAccessControlAllowCredentials, "true")
			header.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		}
		if r.Method == http.MethodOptions {
			if allowed {
				header.Set(echo.HeaderAccessControlAllowMethods, strings.Join(s.methods, ", "))
				header.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
				header.Set(echo.HeaderAccessControlMaxAge, "600")
			}
			return c.NoContent(http.StatusNoContent)
		}
		if s.auth.Origins.Foreign(r) {
			return problemOrigin.with("add it to TIDINGS_ALLOWED_ORIGINS")
		}
		return next(c)
	}
}
