package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/faults"
)

// signalStore is the part of *store.Store that the handlers of typing need. Signal sends
// a signal to all instances and stores nothing.
type signalStore interface {
	Signal(ctx context.Context, signal store.Signal) error
}

// typingHandlers answer typing signals.
type typingHandlers struct {
	store  signalStore
	state  *awareness.Typing // nil: switched off
	limits *limit.Limiter
	refuse func(limit.Refusal) *Problem
	faults *faults.Work
}

// create answers POST /v1/posts/{post}/typing with 204. The user then counts as typing for
// a few seconds. Problems: unauthenticated, invalid_id, unknown_field, rate_limited (see
// [Limits].Typing), switched_off.
func (h *typingHandlers) create(c echo.Context) error {
	if h.state == nil {
		return problemSwitchedOff.with("typing is switched off on this server")
	}
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	if !h.limits.AllowTyping(who.Subject) {
		return h.refuse(limit.Typing)
	}
	if err := h.store.Signal(c.Request().Context(), store.Signal{Topic: post, User: viewerOf(who)}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// stop tells all instances that the user has stopped typing, if this instance knows that
// the user types. The caller learns of no failure: the typing state expires by itself.
func (h *typingHandlers) stop(ctx context.Context, post stream.Topic, who auth.Identity) {
	if h.state == nil || !h.state.Types(post, who.Subject) {
		return
	}
	err := h.store.Signal(ctx, store.Signal{Topic: post, User: viewerOf(who), Stop: true})
	if ctx.Err() == nil { // else the client has left
		h.faults.Note(ctx, err)
	}
}
