package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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
	if r.start.IsNow() {
		wait = 0
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
	admitted := &admission{slot: slot}
	admitted.start, _ = r.start.Cursor()
	poll, err := s.hub.OpenPoll(stream.PollConfig{
		Topics: r.topics, Start: r.start, Presence: r.presence, Limit: most, Until: s.deadline(wait, r.who),
		Ended: func(_ stream.End, conn net.Conn) { admitted.end(); s.returned.Return(conn) },
	})
	if err != nil {
		slot.Close()
		return err
	}
	if err := s.useTicketOfPoll(c, r, poll); err != nil {
		poll.Close()
		return err
	}
	admitted.visit = s.attend(r, true)
	return s.answerPoll(c, poll, r.who, admitted, held)
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
// reserved for it. A poll that has to wait returns that memory. It
// is given to the hub if the connection can be taken over; the handler then returns, and a
// worker of the hub calls encode when the wait is over.
func (s *Server) answerPoll(c echo.Context, poll *stream.LongPoll, who auth.Identity, admitted *admission, held *limit.Reservation) error {
	if poll.Ready(c.Request().Context()) {
		return s.runPoll(c, poll, who, admitted, held)
	}
	held.Shrink(0)
	conn, reusable, err := takeOver(c)
	switch {
	case err != nil:
		poll.Close()
		return err
	case conn == nil:
		return s.runPoll(c, poll, who, admitted, nil)
	}
	countLater(c)
	line, header := lineOf(c), c.Response().Header()
	encode := func(result stream.PollResult) []byte {
		answer := s.pollReply(result, who, line)
		admitted.answered(result, answer)
		s.requests.Answered(pollPath, line.method, answer.status, errors.Is(result.Err, context.Canceled))
		if !result.Keep {
			answer.header.Set("Connection", "close")
		}
		return answer.message(line.minor, header)
	}
	if err := poll.TakeOver(conn, encode, reusable); err != nil {
		poll.Close()
		return s.notTakenOver(c, conn, fmt.Errorf("take poll over: %w", err))
	}
	return nil
}

// runPoll waits if the poll has no answer yet, and answers in this goroutine. Without
// reserved memory (held is nil), it reserves what the answer needs: if there is no room, the
// answer is the problem unavailable. It returns context.Canceled if the client left before,
// so that the request is counted as such.
func (s *Server) runPoll(c echo.Context, poll *stream.LongPoll, who auth.Identity, admitted *admission, held *limit.Reservation) error {
	var left error
	encode := func(result stream.PollResult) []byte {
		if errors.Is(result.Err, context.Canceled) {
			left = result.Err
		}
		answer := s.pollReply(result, who, lineOf(c))
		admitted.answered(result, answer)
		if held != nil {
			held.Shrink(len(answer.body))
		} else if waited, err := s.reserve(c, len(answer.body)); err != nil {
			answer = problemReply(err, lineOf(c))
		} else {
			held = waited
		}
		answer.writeHead(c.Response())
		return answer.body
	}
	write := func(b []byte) error {
		_, err := c.Response().Write(b)
		return err
	}
	err := poll.Run(c.Request().Context(), encode, write)
	if held != nil {
		held.Close()
	}
	return errors.Join(err, left)
}

// deadline is the end of a wait. A wait ends with the token at the latest.
func (s *Server) deadline(wait time.Duration, who auth.Identity) time.Time {
	at := time.Now().Add(wait)
	if end := s.clock.End(who); !end.IsZero() && end.Before(at) {
		return end
	}
	return at
}

// pollWait reads the parameter wait, or Prefer: wait=N (RFC 7240), in seconds. It is made
// shorter by up to a tenth at random, so that clients that began together do not return
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
	wait := time.Duration(seconds) * time.Second
	return wait - time.Duration(rand.Float64()*float64(wait)/10), nil
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
