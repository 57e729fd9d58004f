package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// laterKey marks, in the Echo context, a request that is counted after its handler has
// returned.
const laterKey = "counted later"

// countLater tells [Server.observe] not to count the request. The caller counts the
// answer when it is written.
func countLater(c echo.Context) { c.Set(laterKey, true) }

// observe is the middleware that counts a request when its handler has returned.
// Requests for unknown routes and methods all count as "other": clients must not be able
// to add time series.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		err := next(c)
		if c.Get(laterKey) != nil {
			return err
		}
		status := c.Response().Status
		if err != nil && !c.Response().Committed {
			status = problemOf(err).Status
		}
		left := errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil
		route, method := c.Path(), c.Request().Method
		if !s.patterns[route] || status == http.StatusMethodNotAllowed {
			route, method = "other", "other"
		}
		s.requests.Answered(route, method, status, left)
		if route != eventsPath && route != pollPath { // those wait for events
			s.requests.Took(route, time.Since(began))
		}
		return err
	}
}
