package api

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
)

const (
	// defaultWait is below the smallest usual first-byte timeout of proxies, 30 s.
	defaultWait = 25 // seconds
	mostWait    = 55 // seconds

	defaultPollLimit = 100  // events
	mostPollLimit    = 1000 // events

	// nextCursor is the header with the cursor of the next poll.
	nextCursor = "Next-Cursor"
)

// poll answers with the events after the cursor as soon as there are some, or with none
// when the wait is over. A poll from now does not wait. The server keeps nothing between
// polls: the cursor of the next poll acknowledges the events of this one. HEAD reads
// nothing and takes nothing of the limits.
func (s *Server) poll(c echo.Context) error {
	generation := s.polls.Generation()
	r, err := s.reading(c)
	if err != nil {
		return err
	}
	wait, err := pollWait(c, r)
	if err != nil {
		return err
	}
	most, err := number(r.values, "limit", defaultPollLimit, 1, mostPollLimit)
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead {
		return s.pollHead(c, r.start)
	}
	slot, err := s.admit(c, r)
	if err != nil {
		return err
	}
	held, err := s.reserve(c, maxPollAnswer)
	if err != nil {
		slot.Close()
		return err
	}
	defer held.Close()
	q := newPollRequest(c, r, wait, most, generation)
	caller := &pollCaller{server: s, request: q, id: lineOf(c).id, admission: admission{slot: slot}}
	caller.start, _ = r.start.Cursor()
	cfg := s.pollConfig(q, r.start)
	cfg.Caller = caller
	poll, err := s.hub.OpenPoll(cfg)
	if err != nil {
		slot.Close()
		return err
	}
	if err := s.useTicketOfPoll(c, r, poll); err != nil {
		poll.Close()
		return err
	}
	caller.visit = s.attend(q.reader(caller.start))
	return s.answerPoll(c, poll, caller, held)
}

// pollConfig sets a poll, but for its caller.
func (s *Server) pollConfig(q *pollRequest, start stream.Start) stream.PollConfig {
	wait := q.wait - time.Duration(rand.Float64()*float64(q.wait)/10)
	if start.IsNow() {
		wait = 0
	}
	return stream.PollConfig{
		Topics: q.topics, Start: start, Presence: q.presence, Limit: q.most, Until: s.deadline(wait, q.who), Address: q.address,
	}
}

// pollHead answers HEAD like a poll whose wait is over without an event.
func (s *Server) pollHead(c echo.Context, start stream.Start) error {
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	header.Set(echo.HeaderCacheControl, "no-store")
	if cursor, ok := start.Cursor(); ok {
		header.Set(nextCursor, cursor.String())
	} else if start.IsNow() {
		header.Set(nextCursor, s.hub.Head().String())
	}
	return c.NoContent(http.StatusOK)
}

// useTicketOfPoll consumes the ticket of a poll, unless the poll has already failed, for
// example because its cursor is gone: the client then polls again with the same ticket.
func (s *Server) useTicketOfPoll(c echo.Context, r reading, poll *stream.LongPoll) error {
	if r.ticket != "" && poll.Ready(c.Request().Context()) && poll.Fault() != nil {
		return nil
	}
	return s.useTicket(c, r)
}

// answerPoll answers a poll that has its answer in this goroutine, with the memory that is
// reserved for it. A poll that has to wait returns that memory. It is given to the hub if the
// connection can be taken over; the handler then returns, and a worker of the hub answers
// when the wait is over.
func (s *Server) answerPoll(c echo.Context, poll *stream.LongPoll, caller *pollCaller, held *limit.Reservation) error {
	if poll.Ready(c.Request().Context()) {
		return s.runPoll(c, poll, caller, held)
	}
	held.Shrink(0)
	conn, reusable, err := takeOver(c)
	switch {
	case err != nil:
		poll.Close()
		return err
	case conn == nil:
		return s.runPoll(c, poll, caller, nil)
	}
	countLater(c)
	s.remember(c, caller.request)
	caller.conn, caller.peer = conn, peerOf(conn)
	if err := poll.TakeOver(conn, reusable); err != nil {
		poll.Close()
		return s.notTakenOver(c, conn, fmt.Errorf("take poll over: %w", err))
	}
	return nil
}

// runPoll waits if the poll has no answer yet, and answers in this goroutine. held is the
// memory that is reserved for the answer; without it, runPoll reserves what the answer needs.
// It returns context.Canceled if the client left before, so that the request is counted as
// such.
func (s *Server) runPoll(c echo.Context, poll *stream.LongPoll, caller *pollCaller, held *limit.Reservation) error {
	w := &pollWriter{server: s, c: c, held: held}
	defer w.close()
	caller.writer = w
	err := poll.Run(c.Request().Context(), w.write)
	if err == nil && c.Response().Status == http.StatusOK {
		s.remember(c, caller.request)
	}
	return errors.Join(err, w.left)
}

// deadline is the end of a wait. A wait ends with the token at the latest.
func (s *Server) deadline(wait time.Duration, who auth.Identity) time.Time {
	at := time.Now().Add(wait)
	if end := s.clock.End(who); !end.IsZero() && end.Before(at) {
		return end
	}
	return at
}

// pollWait reads the parameter wait, or Prefer: wait=N (RFC 7240), in seconds. Each wait is
// made shorter by up to a tenth at random, so that clients that began together do not return
// together.
func pollWait(c echo.Context, r reading) (time.Duration, error) {
	seconds, err := clamped(r.values, "wait", -1, 0, mostWait)
	if err != nil {
		return 0, err
	}
	if seconds < 0 {
		seconds = defaultWait
		if preferred, ok := preferredWait(c); ok {
			seconds = preferred
			c.Response().Header().Set("Preference-Applied", "wait="+strconv.Itoa(preferred))
		}
	}
	return time.Duration(seconds) * time.Second, nil
}

// preferredWait finds wait=N among the preferences. It ignores preferences that it cannot
// read, as RFC 7240 demands.
func preferredWait(c echo.Context) (int, bool) {
	preferences := strings.Join(c.Request().Header.Values("Prefer"), ",")
	for preference := range strings.SplitSeq(preferences, ",") {
		preference, _, _ = strings.Cut(preference, ";") // without its parameters
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds := strings.TrimSpace(value)
		if seconds == "" || !allDigits(seconds) {
			return 0, false
		}
		n, err := clamped(url.Values{"wait": {seconds}}, "wait", 0, 0, mostWait)
		return n, err == nil
	}
	return 0, false
}
