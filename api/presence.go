package api

import (
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

// end gives all back. It does nothing for the zero admission.
func (a *admission) end() {
	if a.slot != nil {
		a.slot.Close()
	}
	a.visit.End()
}

// answered notes that a poll is answered: the reader then counts for some time, in which it
// polls again from a cursor.
func (a *admission) answered(next stream.Cursor) { a.visit.Answer(next) }

// attend counts a reader until its visit ends. It returns nil if the reader reads no posts.
func (s *Server) attend(reader awareness.Reader) *awareness.Visit { return s.presence.Join(reader) }

// postsOf returns the topics that are posts.
func postsOf(topics []stream.Topic) (posts []stream.Topic) {
	for _, topic := range topics {
		if topic.Kind() == kindPost {
			posts = append(posts, topic)
		}
	}
	return posts
}
