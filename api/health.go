package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
)

// Prober proves that what is notified in the database is heard here.
type Prober interface {
	Probe(ctx context.Context) error
	Stats() store.ListenerStats
}

// Pinger proves that the database answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

const probeTimeout = 2 * time.Second

// healthz says that the process runs: restart it when it doesn't answer.
func (s *Server) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says that a comment committed now would be delivered from here: the
// database answers, a NOTIFY comes back, the hub reads the log, and the server isn't
// stopping. Send clients elsewhere when not.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), probeTimeout)
	defer cancel()
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"server is stopping", s.draining},
		{"database does not answer", func() error { return s.store.Ping(ctx) }},
		{"notifications are not heard", func() error { return s.prober.Probe(ctx) }},
		{"log is not read", s.hub.Err},
	} {
		if err := check.run(); err != nil {
			s.logger.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("why", check.name), slog.Any("err", err))
			p := problemUnavailable.with(check.name)
			p.Listener = s.listenerState()
			return p
		}
	}
	return c.JSON(http.StatusOK, struct {
		Status   string        `json:"status"`
		Listener *listenerJSON `json:"listener"`
	}{"ready", s.listenerState()})
}
