package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

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
	defer seat.leave()
	sub, err := s.hub.Subscribe(r.topics, r.start)
	if err != nil {
		return err
	}
	defer sub.Close()

	if r.start.IsNow() {
		return answerPoll(c, nil, sub)
	}
	frames, err := sub.Take(c.Request().Context(), limit)
	if err == nil && len(frames) == 0 && wait > 0 {
		frames, err = await(c, sub, r.who, wait, limit)
	}
	if errors.Is(err, stream.ErrClosed) {
		c.Response().Header().Set("Connection", "close") // this server stops: ask another
		frames, err = nil, nil
	}
	if err != nil {
		return err
	}
	return answerPoll(c, frames, sub)
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

// await waits for events. A wait that is over is an empty answer: there is nothing
// the client should do differently.
func await(c echo.Context, sub *stream.Subscription, who Identity, wait time.Duration, limit int) ([]*stream.Frame, error) {
	deadline := time.Now().Add(wait)
	if !who.anonymous() && who.Expires.Before(deadline) {
		deadline = who.Expires // nothing is read past the token's end
	}
	ctx, cancel := context.WithDeadline(c.Request().Context(), deadline)
	defer cancel()
	frames, err := sub.Next(ctx, limit)
	if err != nil && !errors.Is(err, stream.ErrClosed) && c.Request().Context().Err() == nil && ctx.Err() != nil {
		return nil, nil
	}
	return frames, err
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

func answerPoll(c echo.Context, frames []*stream.Frame, sub *stream.Subscription) error {
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
