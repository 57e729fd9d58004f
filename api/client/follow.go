package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	pollWait  = 25 * time.Second
	pollGrace = 30 * time.Second // on top of it, before the connection is given up
	pollEarly = time.Second      // an empty answer sooner than this was not held
)

// errNotHeld is a poll that was answered at once and brought nothing, as a server
// does that shuts down: to ask again at once would be a busy loop.
var errNotHeld = errors.New("poll: answered early with nothing")

// follower is what Follow and FollowPoll share: where they are, and when to try
// again.
type follower struct {
	client  *Client
	topics  []string
	cursor  string
	fn      func(Event) error
	backoff backoff
	onRetry RetryFunc
}

// refusal is an error of fn, which ends the following whatever it is.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }

// Follow calls fn with every event of the topics, from cursor ("" means now),
// over the event stream, and reconnects for ever: it goes on from the last id,
// after the time the server asked for and a random one that grows with each
// attempt that brings nothing. Each connection begins with a stream.ready.
//
// It returns what fn returns; ctx.Err() when ctx ends; and the error that trying
// again cannot mend: a *Problem of status 204, 400, 401, 403, 404 or 406,
// ErrNotStream, ErrBlockTooLarge.
func (c *Client) Follow(ctx context.Context, topics []string, cursor string, fn func(Event) error, opts ...StreamOption) error {
	o := newStreamOptions(opts, streamOptions{silence: openLimit, learn: true})
	f := &follower{client: c, topics: topics, cursor: cursor, fn: fn, onRetry: o.onRetry}
	return f.run(ctx, func(ctx context.Context) error { return f.stream(ctx, o) })
}

// FollowPoll is Follow by long-poll. A cursor that cannot be resumed becomes the
// event that a stream would show: a stream.gap, made here, whose id and resumed
// are where the following goes on from. There is no other control event. Of the
// options, WithRetryFunc applies.
func (c *Client) FollowPoll(ctx context.Context, topics []string, cursor string, fn func(Event) error, opts ...StreamOption) error {
	o := newStreamOptions(opts, streamOptions{})
	f := &follower{client: c, topics: topics, cursor: cursor, fn: fn, onRetry: o.onRetry}
	return f.run(ctx, f.poll)
}

// run calls once, which never returns nil, until there is no point any more.
func (f *follower) run(ctx context.Context, once func(context.Context) error) error {
	for {
		err := once(ctx)
		var refused refusal
		switch {
		case errors.As(err, &refused):
			return refused.err
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		if err := f.rest(ctx, err); err != nil {
			return err
		}
	}
}

// rest waits until the next attempt is due.
func (f *follower) rest(ctx context.Context, err error) error {
	wait := f.backoff.next(err)
	if f.onRetry != nil {
		f.onRetry(err, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream follows one connection to its end.
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
		if err := f.hand(ev); err != nil {
			return err
		}
	}
}

// note keeps what the next connection needs of this one. A server that takes an
// id back is not believed: to start from now would be a silent gap.
func (f *follower) note(s *Stream) {
	if cursor := s.Cursor(); cursor != "" {
		f.cursor = cursor
	}
	if retry := s.Retry(); retry > 0 {
		f.backoff.floor = retry
	}
}

func (f *follower) hand(ev Event) error {
	f.backoff.reset()
	if err := f.fn(ev); err != nil {
		return refusal{err}
	}
	return nil
}

// poll asks again and again until a poll fails.
func (f *follower) poll(ctx context.Context) error {
	for {
		began := time.Now()
		page, err := f.ask(ctx)
		if err != nil {
			return err
		}
		for _, ev := range page.Events {
			if err := f.hand(ev); err != nil {
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

// ask polls once. It turns a gap into the page of one event that tells of it.
func (f *follower) ask(ctx context.Context) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, pollWait+pollGrace)
	defer cancel()
	page, err := f.client.Poll(ctx, f.topics, f.cursor, pollWait, 0)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusGone && p.Resumed != "" {
		return gap(p, f.cursor)
	}
	return page, err
}

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

// permanent says whether trying again would bring the same error.
func permanent(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		switch p.Status {
		case http.StatusNoContent, http.StatusBadRequest, http.StatusUnauthorized,
			http.StatusForbidden, http.StatusNotFound, http.StatusNotAcceptable:
			return true
		}
	}
	return errors.Is(err, ErrNotStream) || errors.Is(err, ErrBlockTooLarge)
}
