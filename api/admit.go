package api

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
)

const (
	eventStreamType = "text/event-stream"

	// oldCursor is how many positions behind the head a cursor may be without counting
	// as a replay: so many events are usually answered from memory.
	oldCursor = 1000

	// The Retry-After of a refused reader is random in this range, so that readers that
	// were refused together do not return together.
	refusedLeast = 5 * time.Second
	refusedMost  = 15 * time.Second
	// The same for a native EventSource. It is longer, because an EventSource retries
	// without end.
	softRetryLeast = 15 * time.Second
	softRetryMost  = 45 * time.Second
)

// admit takes a slot for a reader. The caller must close the slot when the reader ends.
// The error is a problem that names the limit that was reached: rate_limited for limits
// of an address or a user, unavailable for those of the process; see [Server.turnAway].
func (s *Server) admit(c echo.Context, r reading) (*limit.Slot, error) {
	if s.stopping.Load() {
		return nil, s.refuse(limit.Draining)
	}
	address := addressOf(c)
	slot, why := s.limits.Take(address, r.who.Subject)
	if why != "" {
		return nil, s.refuse(why)
	}
	switch {
	case r.start.Behind(s.hub.Head()) > oldCursor && !s.limits.AllowReplay(address, r.who.Subject):
		why = limit.Replays
	// A poll comes back after each answer, so it does not count as a new reader.
	case c.Path() == eventsPath:
		why = s.limits.AllowStart(address)
	}
	if why == "" {
		return slot, nil
	}
	slot.Close()
	return nil, s.refuse(why)
}

// room returns the problem unavailable if no reader at all can be admitted now. It is
// checked before a ticket is looked up in the database.
func (s *Server) room() error {
	switch {
	case s.stopping.Load():
		return s.refuse(limit.Draining)
	case s.limits.Full():
		return s.refuse(limit.Full)
	}
	return nil
}

// refuse counts a refusal and returns its problem, with a random Retry-After.
func (s *Server) refuse(why limit.Refusal) *Problem {
	s.requests.Refused(why)
	var p *Problem
	switch why {
	case limit.Address:
		p = problemRateLimited.with("too many streams from this address")
	case limit.AddressStarts:
		p = problemRateLimited.with("too many new streams from this address")
	case limit.User:
		p = problemRateLimited.with("too many streams of this user")
	case limit.Replays:
		p = problemRateLimited.with("too many replays from old cursors")
	case limit.Typing:
		return problemRateLimited.with("one signal in two or three seconds is enough")
	case limit.Comments, limit.Likes, limit.Tickets:
		return problemRateLimited.with("too many " + string(why) + " of this user in a short time")
	case limit.AddressRequests:
		p = problemRateLimited.with("too many requests of this address at the same time")
	case limit.AddressBytes:
		p = problemUnavailable.with("too many answers to this address are not read yet")
	case limit.ProcessBytes:
		p = problemUnavailable.with("too many answers are not read yet")
	case limit.Draining:
		p = problemUnavailable.with("server is stopping")
	default:
		p = problemUnavailable.with("too many readers")
	}
	p.retryAfter = refusedLeast + rand.N(refusedMost-refusedLeast)
	return p
}

// turnAway answers a reader that cannot be served now. For a status other than 200 a
// native EventSource fails and does not reconnect, so for a temporary problem (429, 503)
// it gets an empty stream whose retry field says when to come back (HTML standard, section
// 9.2). All other clients, and all other errors, get the problem.
func (s *Server) turnAway(c echo.Context, err error) error {
	switch {
	case errors.Is(err, stream.ErrNotReady):
		s.requests.Refused(limit.NotReady)
	case errors.Is(err, stream.ErrClosed):
		s.requests.Refused(limit.Draining)
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

// isEventSource reports whether the request looks like a native EventSource's: it
// accepts event streams, accepts no JSON and has no bearer token. It may have an
// Authorization header of another scheme, for a proxy that asks for a password.
func isEventSource(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values(echo.HeaderAccept), ","))
	return r.Method == http.MethodGet && !auth.HasBearer(r) &&
		strings.Contains(accept, eventStreamType) && !strings.Contains(accept, "json")
}
