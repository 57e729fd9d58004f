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
	// ErrNotStream means that the answer is a success but not an event stream. The
	// address is probably not that of a Tidings server.
	ErrNotStream = errors.New("the answer is no event stream")

	// ErrSilent means that the connection was cut because no byte arrived, not even a
	// heartbeat, within the limit of [WithSilenceLimit].
	ErrSilent = errors.New("nothing arrived for too long")
)

// Stream is one connection to the event stream. Next, Cursor and Retry are for one
// goroutine at a time. Close may be called from any goroutine.
type Stream struct {
	body   io.Closer
	events *eventReader
	watch  *watch
	learn  bool
	opened string // the cursor the stream was opened with

	ctx    context.Context // of the request; its cause is why the stream was cut
	cancel context.CancelCauseFunc
}

// Stream opens the event stream of the topics at cursor: an id, "now", "earliest", or
// "", which means now. The first event is stream.ready. ctx limits the whole stream,
// not only its start. The caller closes the stream.
//
// Any status but 200 is a [*Problem]. That includes 204, with which a server tells an
// EventSource not to reconnect (HTML standard, section 9.2.3).
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
		// With problem+json the server answers errors as problems. For an EventSource it
		// answers some of them with an empty stream.
		"Accept": {"text/event-stream, application/problem+json"},
		// Without this net/http asks for gzip, and a proxy that compresses may buffer events.
		"Accept-Encoding": {"identity"},
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

// open sends the request and waits for the head of the answer, at most for the silence
// limit.
func (s *Stream) open(c *Client, k call, maxBlock int) error {
	s.watch.start()
	defer s.watch.stop()
	resp, err := c.send(s.ctx, k)
	if err != nil {
		return err
	}
	if err := checkStream(resp); err != nil {
		_ = resp.Body.Close() // err is returned, not the error of Close
		return err
	}
	s.body, s.watch.r = resp.Body, resp.Body
	s.events = newEventReader(s.watch, maxBlock)
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

// Next waits for the next event and returns it, control events included. After an
// error every further call returns an error. The errors are:
//
//   - io.EOF itself, not wrapped, if the server ended the stream in order;
//   - io.ErrUnexpectedEOF if the connection was cut; the incomplete event is dropped;
//   - [ErrSilent] and [ErrBlockTooLarge];
//   - net.ErrClosed after Close, once the events that were read before are returned;
//   - the context's error if the context ended.
func (s *Stream) Next() (Event, error) {
	ev, err := s.events.next()
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

// cause returns the reason for err: a network error after the stream was cut by this
// side is replaced by the reason for the cut.
func (s *Stream) cause(err error) error {
	var problem *Problem
	switch why := context.Cause(s.ctx); {
	case errors.Is(err, ErrBlockTooLarge), errors.Is(err, ErrNotStream), errors.As(err, &problem):
		return err
	case why == ErrSilent, why == net.ErrClosed:
		return why
	case why != nil:
		return s.ctx.Err()
	case s.events == nil, err == io.ErrUnexpectedEOF:
		return err
	}
	return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
}

// Cursor returns the last id of the stream, at which the next stream can start. Before
// the first id it is the cursor the stream was opened with.
func (s *Stream) Cursor() string {
	if id, ok := s.events.in.LastID(); ok {
		return string(id)
	}
	return s.opened
}

// Retry returns the newest reconnection time that the server sent on this stream; 0 if
// it sent none.
func (s *Stream) Retry() time.Duration { return s.events.in.Retry() }

// Close ends the stream. A call of Next that waits returns net.ErrClosed.
func (s *Stream) Close() error {
	s.cancel(net.ErrClosed)
	if err := s.body.Close(); err != nil {
		return fmt.Errorf("close stream: %w", err)
	}
	return nil
}

// silenceLimit returns the silence limit for the heartbeat, in seconds, that
// stream.ready announces: two heartbeats plus heartbeatSlack. It is 0 if ready
// announces none.
func silenceLimit(ready json.RawMessage) time.Duration {
	var data Ready
	if json.Unmarshal(ready, &data) != nil || data.Heartbeat <= 0 || data.Heartbeat > maxHeartbeat {
		return 0
	}
	return time.Duration(2*data.Heartbeat*float64(time.Second)) + heartbeatSlack
}
