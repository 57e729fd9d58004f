package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

const (
	defaultWait = 25 // seconds; below the smallest first-byte timeout of usual proxies
	mostWait    = 55

	defaultPollLimit = 100
	mostPollLimit    = 1000
)

// poll answers with the events after the cursor as soon as there are some, else when
// the wait is over. It keeps nothing between calls: the next cursor acknowledges.
func (s *Server) poll(c echo.Context) error {
	r, err := s.reading(c)
	if err != nil {
		return err
	}
	wait, err := pollWait(c, r)
	if err != nil {
		return err
	}
	limit, err := number(r.values, "limit", defaultPollLimit, 1, mostPollLimit)
	if err != nil {
		return err
	}
	if r.start.IsNow() || c.Request().Method == http.MethodHead {
		wait = 0
	}
	slot, err := s.admit(c, r)
	if err != nil {
		return err
	}
	poll, err := s.hub.OpenPoll(stream.PollConfig{
		Topics: r.topics, Start: r.start, Limit: limit, Until: deadline(wait, r.who),
		Ended: func(_ stream.End, conn net.Conn) { slot.Close(); s.returned.Return(conn) },
	})
	if err != nil {
		slot.Close()
		return err
	}
	if err := s.useTicket(c, r); err != nil {
		poll.Close()
		return err
	}
	return s.answerPoll(c, poll)
}

// answerPoll answers a poll at once, in this goroutine, or has the hub wait and answer
// where the connection can be taken over.
func (s *Server) answerPoll(c echo.Context, poll *stream.LongPoll) error {
	if poll.Ready(c.Request().Context()) {
		return s.runPoll(c, poll)
	}
	conn, reusable, err := takeOver(c)
	switch {
	case err != nil:
		poll.Close()
		return err
	case conn == nil:
		return s.runPoll(c, poll)
	}
	countLater(c)
	line, header := lineOf(c), c.Response().Header()
	encode := func(result stream.PollResult) []byte {
		answer := s.pollReply(result, line)
		s.requests.Answered(pollPath, line.method, answer.status, errors.Is(result.Err, context.Canceled))
		if !result.Keep {
			answer.header.Set("Connection", "close")
		}
		return answer.message(line.minor, header)
	}
	if err := poll.TakeOver(conn, encode, reusable); err != nil {
		poll.Close()
		return errors.Join(fmt.Errorf("take poll over: %w", err), conn.Close())
	}
	return nil
}

// runPoll waits, if it must, and answers in this goroutine.
func (s *Server) runPoll(c echo.Context, poll *stream.LongPoll) error {
	var left error
	encode := func(result stream.PollResult) []byte {
		if errors.Is(result.Err, context.Canceled) {
			left = result.Err
		}
		answer := s.pollReply(result, lineOf(c))
		answer.writeHead(c.Response())
		return answer.body
	}
	write := func(b []byte) error {
		_, err := c.Response().Write(b)
		return err
	}
	return errors.Join(poll.Run(c.Request().Context(), encode, write), left)
}

// deadline is when a wait is over: nothing is read past the token's end.
func deadline(wait time.Duration, who auth.Identity) time.Time {
	at := time.Now().Add(wait)
	if end := who.End(auth.Reading); !end.IsZero() && end.Before(at) {
		return end
	}
	return at
}

// pollWait reads wait, or Prefer: wait=N (RFC 7240). Up to a tenth of it is random,
// so that readers that began together don't return together.
func pollWait(c echo.Context, r reading) (time.Duration, error) {
	seconds, err := number(r.values, "wait", -1, 0, math.MaxInt32)
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
	wait := time.Duration(min(seconds, mostWait)) * time.Second
	return wait - time.Duration(rand.Float64()*float64(wait)/10), nil
}

// preferredWait finds wait=N among the preferences, and ignores what it cannot read,
// as it may with preferences.
func preferredWait(c echo.Context) (int, bool) {
	preferences := strings.Join(c.Request().Header.Values("Prefer"), ",")
	for preference := range strings.SplitSeq(preferences, ",") {
		preference, _, _ = strings.Cut(preference, ";") // its parameters
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
		return min(int(n), mostWait), err == nil
	}
	return 0, false
}
