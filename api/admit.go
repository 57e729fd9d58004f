package api

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/stream"
)

const (
	eventsPath      = "/v1/events"
	pollPath        = "/v1/poll"
	eventStreamType = "text/event-stream"

	// oldCursor is how many positions behind the head a cursor may be and still be
	// answered from memory, however small the ring is.
	oldCursor = 1000

	// A refused reader comes back after a time that is random in this range: those
	// who were refused together should not return together.
	refusedLeast = 5 * time.Second
	refusedMost  = 15 * time.Second
	// A native EventSource would be back every few seconds for ever.
	softRetryLeast = 15 * time.Second
	softRetryMost  = 45 * time.Second
)

// admit takes a seat for a reader; the caller sees to it that the seat leaves. The
// error is the problem that says which limit was met, see [Server.turnAway].
func (s *Server) admit(c echo.Context, r reading) (*seat, error) {
	if s.stopping.Load() {
		return nil, s.refuse(refusedDraining)
	}
	address := clientAddress(c)
	seat, why := s.limits.take(address, r.who.Subject)
	if why != "" {
		return nil, s.refuse(why)
	}
	switch {
	case r.start.Behind(s.hub.Head()) > oldCursor && !s.limits.replay(address, r.who.Subject):
		why = refusedReplays
	// A poll is back at once after each answer: it takes seats, but starts nothing.
	case c.Path() == eventsPath && s.limits.starts != nil && !s.limits.starts.Allow():
		why = refusedStarts
	default:
		return seat, nil
	}
	seat.leave()
	return nil, s.refuse(why)
}

// room says whether anybody at all can be let in now.
func (s *Server) room() error {
	switch {
	case s.stopping.Load():
		return s.refuse(refusedDraining)
	case s.limits.seats() >= s.limits.most:
		return s.refuse(refusedFull)
	}
	return nil
}

// refuse counts a refusal and words it.
func (s *Server) refuse(why refusal) *Problem {
	s.metrics.refused(why)
	var p *Problem
	switch why {
	case refusedAddress:
		p = problemRateLimited.with("too many streams from this address")
	case refusedUser:
		p = problemRateLimited.with("too many streams of this user")
	case refusedReplays:
		p = problemRateLimited.with("too many replays from old cursors")
	case refusedTyping:
		return problemRateLimited.with("one signal in two or three seconds is enough")
	case refusedDraining:
		p = problemUnavailable.with("server is stopping")
	default:
		p = problemUnavailable.with("too many readers")
	}
	p.retryAfter = refusedLeast + rand.N(refusedMost-refusedLeast)
	return p
}

// turnAway answers a reader that can't be served now. A native EventSource can read
// no status and gives up for good at any but 200, so it gets an empty stream that
// tells it when to come back (HTML standard 9.2.3); all others get the error.
func (s *Server) turnAway(c echo.Context, err error) error {
	switch {
	case errors.Is(err, stream.ErrNotReady):
		s.metrics.refused(refusedNotReady)
	case errors.Is(err, stream.ErrClosed):
		s.metrics.refused(refusedDraining)
	}
	status := problemOf(err).Status
	temporary := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
	if !temporary || !isEventSource(c.Request()) {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store, no-transform")
	retry := softRetryLeast + rand.N(softRetryMost-softRetryLeast)
	return c.Blob(http.StatusOK, eventStreamType, []byte("retry: "+strconv.FormatInt(retry.Milliseconds(), 10)+"\n\n"))
}

// isEventSource guesses: only a native one accepts event streams, cannot send
// Authorization, and does not say that it reads problems.
func isEventSource(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values(echo.HeaderAccept), ","))
	return r.Method == http.MethodGet && r.Header.Get(echo.HeaderAuthorization) == "" &&
		strings.Contains(accept, eventStreamType) && !strings.Contains(accept, "json")
}
