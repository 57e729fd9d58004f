package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"
)

var (
	// ErrNotStream is returned for an answer that is a success and no event stream,
	// as from an address where something else than Tidings listens.
	ErrNotStream = errors.New("the answer is no event stream")

	// ErrSilent ends a stream on which nothing arrived for too long, not even a
	// heartbeat: see WithSilenceLimit.
	ErrSilent = errors.New("nothing arrived for too long")
)

// Stream is one connection to the event stream. Next and the cursor are for one
// goroutine at a time; Close is for any.
type Stream struct {
	body   io.Closer
	parser *parser
	watch  *watch
	learn  bool
	opened string // the cursor it was opened with

	ctx    context.Context // of the request; its cause says why the stream was cut
	cancel context.CancelCauseFunc
}

// Stream opens the event stream of the topics, from cursor: an id, "now",
// "earliest", or "" which means now. The first event is stream.ready. The stream
// lasts until ctx ends, however long that is; the caller closes it.
//
// A refusal is a *Problem; that includes 204, by which a server asks not to be
// called again.
func (c *Client) Stream(ctx context.Context, topics []string, cursor string, opts ...StreamOption) (*Stream, error) {
	return c.stream(ctx, topics, cursor, newStreamOptions(opts, streamOptions{}))
}

func (c *Client) stream(ctx context.Context, topics []string, cursor string, o streamOptions) (*Stream, error) {
	s := &Stream{opened: cursor, learn: o.learn}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.watch = newWatch(o.silence, func() { s.cancel(ErrSilent) })
	if err := s.open(c, streamCall(topics, cursor, o), o.maxBlock); err != nil {
		err = s.cause(err)
		s.cancel(nil)
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return s, nil
}

func streamCall(topics []string, cursor string, o streamOptions) call {
	query := url.Values{"topic": topics}
	header := http.Header{
		"Accept":          {"text/event-stream, application/problem+json"}, // which EventSource does not read
		"Accept-Encoding": {"identity"},                                    // else net/http asks for gzip, which a proxy may hold back to fill
	}
	if o.header && cursor != "" {
		header.Set("Last-Event-ID", cursor)
	} else {
		set(query, "cursor", cursor)
	}
	for name, values := range o.params {
		query[name] = append(query[name], values...)
	}
	return call{method: http.MethodGet, path: "/v1/events", query: query, header: header}
}

// open waits for the head of the answer, for as long as the silence limit allows.
func (s *Stream) open(c *Client, k call, maxBlock int) error {
	s.watch.start()
	defer s.watch.stop()
	resp, err := c.send(s.ctx, k)
	if err != nil {
		return err
	}
	if err := checkStream(resp); err != nil {
		_ = resp.Body.Close() // the refusal is what matters
		return err
	}
	s.body, s.watch.r = resp.Body, resp.Body
	s.parser = newParser(s.watch, maxBlock)
	return nil
}

func checkStream(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return readProblem(resp)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return fmt.Errorf("%w but %q", ErrNotStream, kind)
	}
	return nil
}

// Next waits for the next event and returns it, control events included. It
// returns io.EOF, as it is, when the server ended the stream; an error that is
// io.ErrUnexpectedEOF when the stream was cut, in which case what had come of an
// event is discarded; ErrSilent; ErrBlockTooLarge; net.ErrClosed after Close; and
// the context's error when it ended. An error is final.
func (s *Stream) Next() (Event, error) {
	ev, err := s.parser.next()
	if err == io.EOF {
		return Event{}, err
	}
	if err != nil {
		return Event{}, fmt.Errorf("read stream: %w", s.cause(err))
	}
	if s.learn && ev.Name == "stream.ready" {
		s.watch.limit = silenceLimit(ev.Data)
	}
	return ev, nil
}

// cause replaces what the network said by the reason for it, where there is one.
func (s *Stream) cause(err error) error {
	var refused *Problem
	switch why := context.Cause(s.ctx); {
	case errors.Is(err, ErrBlockTooLarge), errors.Is(err, ErrNotStream), errors.As(err, &refused):
		return err
	case why == ErrSilent, why == net.ErrClosed:
		return why
	case why != nil:
		return s.ctx.Err()
	case s.parser == nil, err == io.ErrUnexpectedEOF:
		return err
	}
	return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
}

// Cursor returns the last id seen, where a new stream goes on from: the one the
// stream was opened with until another is seen.
func (s *Stream) Cursor() string {
	if s.parser.sawID {
		return s.parser.lastID
	}
	return s.opened
}

// Retry returns how long the server last asked to be left alone after this
// stream; 0 when it did not.
func (s *Stream) Retry() time.Duration { return s.parser.retry }

// Close ends the stream; a Next that waits returns net.ErrClosed.
func (s *Stream) Close() error {
	s.cancel(net.ErrClosed)
	if err := s.body.Close(); err != nil {
		return fmt.Errorf("close stream: %w", err)
	}
	return nil
}

// silenceLimit is two heartbeats of those that stream.ready announces, in
// seconds, and a little; 0 when it announces none.
func silenceLimit(ready json.RawMessage) time.Duration {
	var data struct {
		Heartbeat float64 `json:"heartbeat"`
	}
	if json.Unmarshal(ready, &data) != nil || data.Heartbeat <= 0 || data.Heartbeat > maxHeartbeat {
		return 0
	}
	return time.Duration(2*data.Heartbeat*float64(time.Second)) + heartbeatSlack
}
