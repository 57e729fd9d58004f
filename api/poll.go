package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
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
	mostPollBytes    = 1 << 20
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
	seat, err := s.admit(c, r)
	if err != nil {
		return err
	}
	parked := false
	defer func() {
		if !parked {
			seat.leave()
		}
	}()
	sub, err := s.hub.Subscribe(r.topics, r.start)
	if err != nil {
		return err
	}
	defer func() {
		if !parked {
			sub.Close()
		}
	}()
	if err := s.useTicket(c, r); err != nil {
		return err
	}
	if r.start.IsNow() {
		return answerPoll(c, nil, nil, sub)
	}
	frames, err := sub.Take(c.Request().Context(), limit)
	if err != nil || len(frames) > 0 || wait == 0 || c.Request().Method == http.MethodHead {
		return answerPoll(c, frames, err, sub)
	}
	until := deadline(wait, r.who)
	if parked, err = s.park(c, sub, limit, until, seat); parked || err != nil {
		return err
	}
	return waitAndAnswer(c, sub, limit, until)
}

// deadline is when a wait is over: nothing is read past the token's end.
func deadline(wait time.Duration, who auth.Identity) time.Time {
	at := time.Now().Add(wait)
	if end := who.End(auth.Reading); !end.IsZero() && end.Before(at) {
		return end
	}
	return at
}

// park has the hub wait and answer in place of this goroutine, where the connection can
// be taken over. The subscription and the seat are no longer the handler's then.
func (s *Server) park(c echo.Context, sub *stream.Subscription, limit int, until time.Time, seat *seat) (parked bool, err error) {
	conn, alone, err := takeOver(c)
	if conn == nil {
		return false, err
	}
	err = sub.Park(conn, stream.Parking{
		Until: until, Limit: limit, Keep: alone,
		Answer: s.parkedAnswer(c.Request(), c.Response().Header(), sub),
		Done:   func(conn net.Conn) { seat.leave(); s.returns.give(conn) },
	})
	if err != nil {
		return false, errors.Join(fmt.Errorf("park connection: %w", err), conn.Close())
	}
	return true, nil
}

// waitAndAnswer waits. That it is over is an empty answer: there is nothing the client
// should do differently.
func waitAndAnswer(c echo.Context, sub *stream.Subscription, limit int, until time.Time) error {
	ctx, cancel := context.WithDeadline(c.Request().Context(), until)
	defer cancel()
	frames, err := sub.Next(ctx, limit)
	if err != nil && !errors.Is(err, stream.ErrClosed) && c.Request().Context().Err() == nil && ctx.Err() != nil {
		err = nil
	}
	return answerPoll(c, frames, err, sub)
}

// parkedAnswer encodes the answer of a poll whose request is long over. A client that
// seems gone may have closed its own half alone: it is told that this was no answer.
func (s *Server) parkedAnswer(r *http.Request, header http.Header, sub *stream.Subscription) func([]*stream.Frame, error, bool) []byte {
	line := &http.Request{Method: r.Method, URL: &url.URL{Path: r.URL.Path}, ProtoMinor: r.ProtoMinor}
	return func(frames []*stream.Frame, err error, keep bool) []byte {
		out := &reply{header: header, status: http.StatusOK}
		c := s.echo.NewContext(line, out)
		if !keep {
			header.Set("Connection", "close")
		}
		if err := answerPoll(c, frames, err, sub); err != nil {
			s.handleError(err, c)
		}
		header.Set(echo.HeaderContentLength, strconv.Itoa(out.body.Len()))
		return append(answerHead(line, out.status, header), out.body.Bytes()...)
	}
}

// A reply is an answer in memory.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

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

type pollJSON struct {
	Events []pollEventJSON `json:"events"`
	Cursor stream.Cursor   `json:"cursor"`
	More   bool            `json:"more"` // poll again at once
}

type pollEventJSON struct {
	ID    string       `json:"id,omitempty"` // absent from ephemeral events
	Event stream.Name  `json:"event"`
	Topic stream.Topic `json:"topic"`
	Data  stream.Data  `json:"data"`
}

// answerPoll answers with frames. A server that stops has none, and its clients go on
// at another.
func answerPoll(c echo.Context, frames []*stream.Frame, err error, sub *stream.Subscription) error {
	if errors.Is(err, stream.ErrClosed) {
		c.Response().Header().Set("Connection", "close")
		err = nil
	}
	if err != nil {
		return err
	}
	answer := pollJSON{Events: make([]pollEventJSON, 0, len(frames)), Cursor: sub.Cursor(), More: !sub.Drained()}
	var through stream.Cursor // of the last event that has one: where an answer may be cut
	size := 0
	for _, f := range frames {
		if size += len(f.SSE()); size > mostPollBytes && through != (stream.Cursor{}) {
			answer.Cursor, answer.More = through, true
			break
		}
		e := pollEventJSON{Event: f.Name, Topic: f.Topic, Data: f.Data}
		if !f.Ephemeral() {
			through, e.ID = f.Cursor, f.Cursor.String()
		}
		answer.Events = append(answer.Events, e)
	}
	var body bytes.Buffer // whole, so that it has a Content-Length
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&answer); err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set(echo.HeaderContentLength, strconv.Itoa(body.Len()))
	header.Set("Next-Cursor", answer.Cursor.String())
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body.Bytes())
}
