package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
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

// preferredWait ignores what it cannot read, as a preference may be.
func preferredWait(c echo.Context) (int, bool) {
	const prefix = "wait="
	prefer := c.Request().Header.Get("Prefer")
	if len(prefer) <= len(prefix) || prefer[:len(prefix)] != prefix {
		return 0, false
	}
	n, err := strconv.Atoi(prefer[len(prefix):])
	return min(n, mostWait), err == nil && n >= 0
}

// await waits for events. A wait that ends, for whatever reason but the client's
// leaving, is an empty answer: there is nothing the client should do differently.
func await(c echo.Context, sub *stream.Subscription, who Identity, wait time.Duration, limit int) ([]*stream.Frame, error) {
	deadline := time.Now().Add(wait)
	if !who.anonymous() && who.Expires.Before(deadline) {
		deadline = who.Expires // nothing is read past the token's end
	}
	ctx, cancel := context.WithDeadline(c.Request().Context(), deadline)
	defer cancel()
	frames, err := sub.Next(ctx, limit)
	switch {
	case errors.Is(err, stream.ErrClosed):
		c.Response().Header().Set("Connection", "close") // this server stops: ask another
		return nil, nil
	case err != nil && c.Request().Context().Err() == nil && ctx.Err() != nil:
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
	size := 0
	for i, f := range frames {
		if size += len(f.SSE()); size > mostPollBytes && i > 0 {
			answer.Cursor, answer.More = lastCursor(frames[:i], answer.Cursor), true
			break
		}
		e := pollEventJSON{Event: f.Name, Topic: f.Topic, Data: f.Data}
		if !f.Ephemeral() {
			e.ID = f.Cursor.String()
		}
		answer.Events = append(answer.Events, e)
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("Next-Cursor", answer.Cursor.String())
	c.Response().WriteHeader(http.StatusOK)
	encoder := json.NewEncoder(c.Response())
	encoder.SetEscapeHTML(false)
	return encoder.Encode(&answer)
}

// lastCursor is where an answer ends that was cut short.
func lastCursor(frames []*stream.Frame, otherwise stream.Cursor) stream.Cursor {
	for i := len(frames) - 1; i >= 0; i-- {
		if !frames[i].Ephemeral() {
			return frames[i].Cursor
		}
	}
	return otherwise
}
