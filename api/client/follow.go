package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	pollWait  = 25 * time.Second
	pollGrace = 30 * time.Second // added to pollWait, before a poll without an answer is canceled
	pollEarly = time.Second      // an empty answer in less than this was not held by the server
)

// errNotHeld means that a poll was answered at once without events and without a new
// cursor. A server that shuts down answers so. FollowPoll then waits before the next
// poll, because it would otherwise poll in a busy loop.
var errNotHeld = errors.New("poll: answered early without events")

// follower is the state that Follow and FollowPoll share: the cursor, and the wait
// before the next attempt.
type follower struct {
	client  *Client
	topics  []string
	cursor  string
	fn      func(Event) error
	backoff backoff
	onRetry RetryFunc
}

// callbackError wraps an error that fn returned. Any such error ends Follow.
type callbackError struct{ err error }

func (e callbackError) Error() string { return e.err.Error() }

// Follow calls fn with every event of the topics after cursor, over the event stream.
// The cursor "" means now. When a connection ends, Follow opens the next one at the
// last id. It first waits for the time the server asked for, plus a random time that
// grows with each attempt that brings no event. Each connection begins with a
// stream.ready event.
//
// Follow never returns nil. It returns the error that fn returns, or ctx.Err() when ctx
// ends, or an error that another attempt cannot fix: a [*Problem] that is no fault of the
// moment (status 204, 3xx, 4xx but for 408, 425 and 429, 501 and 505), [ErrNotStream],
// [ErrBlockTooLarge], and a certificate of the server that is not trusted. After every other
// error it tries again; [WithRetryFunc] reports those.
func (c *Client) Follow(ctx context.Context, topics []string, cursor string, fn func(Event) error, opts ...StreamOption) error {
	o := newStreamOptions(opts, streamOptions{silence: openLimit, learn: true})
	f := &follower{client: c, topics: topics, cursor: cursor, fn: fn, onRetry: o.onRetry}
	return f.run(ctx, func(ctx context.Context) error { return f.stream(ctx, o) })
}

// FollowPoll does the same as [Client.Follow] by long-poll. If a cursor cannot be
// resumed, FollowPoll calls fn with a stream.gap event, as a stream would send it, and
// continues at the cursor in its field resumed. There are no other control events. It also
// returns [ErrNotJSON], and the error of an answer that cannot be decoded.
// Only WithRetryFunc, WithParam and WithPresence have an effect.
func (c *Client) FollowPoll(ctx context.Context, topics []string, cursor string, fn func(Event) error, opts ...StreamOption) error {
	o := newStreamOptions(opts, streamOptions{})
	f := &follower{client: c, topics: topics, cursor: cursor, fn: fn, onRetry: o.onRetry}
	return f.run(ctx, func(ctx context.Context) error { return f.poll(ctx, opts) })
}

// run calls once, waits, and calls it again, until an error is permanent. once never
// returns nil.
func (f *follower) run(ctx context.Context, once func(context.Context) error) error {
	for {
		err := once(ctx)
		var callback callbackError
		switch {
		case errors.As(err, &callback):
			return callback.err
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		if err := f.wait(ctx, err); err != nil {
			return err
		}
	}
}

// wait returns when the next attempt is due, or with ctx.Err().
func (f *follower) wait(ctx context.Context, err error) error {
	pause := f.backoff.next(err)
	if f.onRetry != nil {
		f.onRetry(err, pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream reads one connection to its end.
func (f *follower) stream(ctx context.Context, o streamOptions) error {
	s, err := f.client.stream(ctx, f.topics, f.cursor, o)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		ev, err := s.Next()
		f.note(s)
		if err != nil {
			return err
		}
		if err := f.deliver(ev); err != nil {
			return err
		}
	}
}

// note stores the cursor and the retry time for the next connection. An empty id from
// the server does not clear the cursor, because a start from now would be a silent gap.
func (f *follower) note(s *Stream) {
	if cursor := s.Cursor(); cursor != "" {
		f.cursor = cursor
	}
	if retry := s.Retry(); retry > 0 {
		f.backoff.floor = retry
	}
}

func (f *follower) deliver(ev Event) error {
	f.backoff.reset()
	if err := f.fn(ev); err != nil {
		return callbackError{err}
	}
	return nil
}

// poll repeats polls until one fails.
func (f *follower) poll(ctx context.Context, opts []StreamOption) error {
	for {
		began := time.Now()
		page, err := f.ask(ctx, opts)
		if err != nil {
			return err
		}
		for _, ev := range page.Events {
			if err := f.deliver(ev); err != nil {
				return err
			}
		}
		moved := page.Cursor != "" && page.Cursor != f.cursor
		if moved {
			f.cursor = page.Cursor
		}
		if !moved && len(page.Events) == 0 && time.Since(began) < pollEarly {
			return errNotHeld
		}
		f.backoff.reset()
	}
}

// ask polls once. If the cursor cannot be resumed, it returns a page with a
// stream.gap event.
func (f *follower) ask(ctx context.Context, opts []StreamOption) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, pollWait+pollGrace)
	defer cancel()
	page, err := f.client.Poll(ctx, f.topics, f.cursor, pollWait, 0, opts...)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusGone && p.Resumed != "" {
		return gap(p, f.cursor)
	}
	return page, err
}

// gap returns a page with the stream.gap event that a stream would send for p.
func gap(p *Problem, cursor string) (Page, error) {
	data, err := json.Marshal(struct {
		Reason  string `json:"reason"`
		From    string `json:"from"`
		Resumed string `json:"resumed"`
	}{p.Reason, cmp.Or(p.From, cursor), p.Resumed})
	if err != nil {
		return Page{}, fmt.Errorf("encode gap: %w", err)
	}
	ev := Event{ID: p.Resumed, Name: "stream.gap", Data: data}
	return Page{Events: []Event{ev}, Cursor: p.Resumed}, nil
}

// permanent reports whether another attempt would return the same error.
func permanent(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return permanentStatus(p.Status)
	}
	for _, final := range []error{ErrNotStream, ErrNotJSON, ErrBlockTooLarge} {
		if errors.Is(err, final) {
			return true
		}
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.As(err, &certificate)
}

// permanentStatus reports whether another attempt would get the same status. A redirect is a
// status of an answer only if it cannot be followed.
func permanentStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return true
	}
	return status < 500
}
