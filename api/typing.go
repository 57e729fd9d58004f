package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// Signaller sends signals to all instances.
type Signaller interface {
	Signal(ctx context.Context, signal store.Signal) error
}

func (s *Server) postTyping(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	if !s.limits.AllowTyping(who.Subject) {
		return s.refuse(limit.Typing)
	}
	if err := s.store.Signal(c.Request().Context(), store.Signal{Topic: post, User: typistOf(who)}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// stopTyping tells that the comment was sent. It is a courtesy: the comment stands
// whether or not this arrives.
func (s *Server) stopTyping(ctx context.Context, post stream.Topic, who auth.Identity) {
	if !s.typing.Types(post, who.Subject) {
		return
	}
	if err := s.store.Signal(ctx, store.Signal{Topic: post, User: typistOf(who), Stop: true}); err != nil {
		s.logger.LogAttrs(ctx, slog.LevelDebug, "typing not stopped", slog.Any("err", err))
	}
}
