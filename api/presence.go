package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// presenceHandlers answer requests for the readers of a post.
type presenceHandlers struct{ state *awareness.Presence } // nil: switched off

// get answers GET /v1/posts/{post}/presence with the readers of the post on all instances, as
// presence events show them. Problems: invalid_id, switched_off, unavailable.
func (h *presenceHandlers) get(c echo.Context) error {
	if h.state == nil {
		return problemSwitchedOff.with("presence is switched off on this server")
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	state, err := h.state.State(c.Request().Context(), post)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, state)
}

// An admission is what a stream or poll holds until it ends.
type admission struct {
	slot  *limit.Slot
	visit *awareness.Visit // nil: presence does not count the reader
	start stream.Cursor    // of a poll; zero: not at a cursor
}

// end gives all back.
func (a *admission) end() {
	a.slot.Close()
	a.visit.End()
}

// answered notes that a poll is answered, unless its client has left: the reader then counts
// for some time, in which it polls again. After a problem it repeats the poll.
func (a *admission) answered(result stream.PollResult, answer reply) {
	if a.visit == nil || errors.Is(result.Err, context.Canceled) {
		return
	}
	next := a.start
	var gap *stream.GapError
	if errors.As(result.Err, &gap) {
		next = gap.Resumed
	} else if cursor, err := stream.ParseCursor(answer.header.Get(nextCursor)); err == nil {
		next = cursor
	}
	a.visit.Answer(next)
}

// attend counts a stream or poll as a reader of its posts, until the visit ends.
func (s *Server) attend(r reading, poll bool) *awareness.Visit {
	if s.presence == nil {
		return nil
	}
	reader := awareness.Reader{User: viewerOf(r.who), Asks: r.presence, Poll: poll}
	reader.At, _ = r.start.Cursor()
	for _, topic := range r.topics {
		if topic.Kind() == kindPost {
			reader.Posts = append(reader.Posts, topic)
		}
	}
	return s.presence.Join(reader)
}
