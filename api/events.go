package api

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/stream"
)

const (
	// chunk is how many events are taken at once, before timers get their turn.
	chunk = 256
	// partBytes is about how much is written at once: each part has a deadline of its
	// own, so that a reader who is slow but reads is not cut.
	partBytes = 32 << 10
	// unreadablePause is how long a reader that is behind waits for an unreadable log.
	unreadablePause = time.Second
	// The retry of stream.ready and stream.bye is random in this range, so that
	// readers that were cut together don't return together.
	retryLeast = time.Second
	retryMost  = 5 * time.Second
)

// events answers with an event stream (HTML standard 9.2): stream.ready at once,
// then everything of the topics from the cursor on.
func (s *Server) events(c echo.Context) error {
	if !acceptsEventStream(c.Request()) {
		return problemNotAcceptable.with("this is text/event-stream; /v1/poll gives the same events as JSON")
	}
	r, err := s.reading(c)
	if err != nil {
		return err
	}
	style, err := parseStyle(r)
	if err != nil {
		return err
	}
	seat, err := s.admit(c, r)
	if err != nil {
		return s.turnAway(c, err)
	}
	defer seat.leave()
	sub, err := s.hub.Subscribe(r.topics, r.start)
	if err != nil {
		return s.turnAway(c, err)
	}
	defer sub.Close()

	header := c.Response().Header()
	header.Set(echo.HeaderContentType, "text/event-stream")
	header.Set(echo.HeaderCacheControl, "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	st := eventStream{
		out:    newStreamWriter(c.Response().Writer, s.patience),
		sub:    sub,
		style:  style,
		life:   s.newLifetime(r),
		logger: s.logger,
	}
	if err := st.run(c.Request().Context()); err != nil {
		s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "stream cut", slog.Any("err", err))
	}
	return nil
}

// eventStreamRanges are the media ranges that include our type, the vaguest first.
var eventStreamRanges = []string{"*/*", "text/*", "text/event-stream"}

// acceptsEventStream reads Accept (RFC 9110 section 12.5.1) as far as it matters
// here: whether the closest of its ranges that include our type, wherever it stands,
// has a weight above nothing.
func acceptsEventStream(r *http.Request) bool {
	accept := strings.Join(r.Header.Values(echo.HeaderAccept), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	closest, accepted := -1, false
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, _ := strings.Cut(part, ";")
		if i := slices.Index(eventStreamRanges, strings.ToLower(strings.TrimSpace(media))); i > closest {
			closest, accepted = i, weighty(parameters)
		}
	}
	return accepted
}

// weighty reports whether the q among the parameters is above nothing. Without one,
// or one that can be read, it is 1.
func weighty(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err != nil || q > 0
		}
	}
	return true
}

// A style is how a reader wants the same events written.
type style struct {
	enveloped bool // the topic inside the data
	pings     bool // heartbeats that JavaScript can see
	padded    bool // 2 KiB ahead, against buffering intermediaries
}

func parseStyle(r reading) (st style, err error) {
	if st.enveloped, err = flag(r.values, "envelope"); err != nil {
		return st, err
	}
	if st.padded, err = flag(r.values, "padding"); err != nil {
		return st, err
	}
	switch heartbeat, err := single(r.values, "heartbeat"); {
	case err != nil:
		return st, err
	case heartbeat == "event":
		st.pings = true
	case heartbeat != "" && heartbeat != "comment":
		return st, problemMalformed.with("heartbeat is neither event nor comment")
	}
	return st, nil
}

// An eventStream is one reader's response, from stream.ready to stream.bye. It
// belongs to one goroutine.
type eventStream struct {
	out    *streamWriter
	sub    *stream.Subscription
	style  style
	life   lifetime
	told   stream.Cursor // the last id that was written
	logger *slog.Logger
}

var padding = []byte(":" + strings.Repeat(" ", 2048) + "\n")

// run writes until the stream ends or the client leaves, and returns what went
// wrong with the connection, if anything.
func (st *eventStream) run(ctx context.Context) error {
	st.told = st.sub.Cursor()
	ready := stream.Ready(st.told, st.life.interval, st.life.maxAge, randomRetry())
	if st.style.padded {
		ready = append(padding[:len(padding):len(padding)], ready...)
	}
	if err := st.write(ready); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if ended, err := st.step(ctx); ended || err != nil {
			return err
		}
		if ended, err := st.tick(time.Now()); ended || err != nil {
			return err
		}
	}
	return nil
}

// step waits for events, no longer than the next timer, and writes them.
func (st *eventStream) step(ctx context.Context) (ended bool, err error) {
	waiting, cancel := context.WithDeadline(ctx, st.life.next())
	defer cancel()
	frames, err := st.sub.Next(waiting, chunk)
	var gap *stream.GapError
	switch {
	case err == nil:
		return false, st.writeFrames(frames)
	case errors.As(err, &gap):
		st.told = gap.Resumed
		return false, st.write(stream.Gap(gap))
	case errors.Is(err, stream.ErrClosed):
		return true, st.bye(stream.ByeShutdown)
	case waiting.Err() != nil:
		return false, nil
	}
	st.logger.LogAttrs(ctx, slog.LevelDebug, "reader waits for the log", slog.Any("err", err))
	select {
	case <-waiting.Done():
	case <-time.After(unreadablePause):
	}
	return false, nil
}

// writeFrames writes in parts. When the token ends meanwhile, what is left is not
// for this stream any more: its bye names the last event that was written.
func (st *eventStream) writeFrames(frames []*stream.Frame) error {
	var part []byte
	for i, f := range frames {
		if st.style.enveloped {
			part = append(part, f.Enveloped()...)
		} else {
			part = append(part, f.SSE()...)
		}
		if !f.Ephemeral() {
			st.told = f.Cursor
		}
		if len(part) < partBytes && i < len(frames)-1 {
			continue
		}
		if err := st.write(part); err != nil {
			return err
		}
		if past(st.life.expires, time.Now()) {
			return nil
		}
		part = part[:0]
	}
	return nil
}

// tick does what is due besides events.
func (st *eventStream) tick(now time.Time) (ended bool, err error) {
	switch st.life.due(now) {
	case dueExpiry:
		return true, st.bye(stream.ByeExpired)
	case dueAge:
		return true, st.bye(stream.ByeAge)
	case dueWarning:
		return false, st.write(stream.Expiring(st.told, st.life.expires.Sub(now)))
	case dueCheckpoint:
		return false, st.checkpoint()
	case dueHeartbeat:
		if st.style.pings {
			return false, st.write(stream.Ping())
		}
		return false, st.write(stream.Heartbeat)
	}
	return false, nil
}

// checkpoint moves the cursor of a reader on whose topics were quiet while others
// were not: an old cursor would look like a gap one day.
func (st *eventStream) checkpoint() error {
	at := st.sub.Cursor()
	if !st.sub.Drained() || at.Position <= st.told.Position {
		return nil
	}
	st.told = at
	return st.write(stream.Checkpoint(at))
}

func (st *eventStream) bye(reason stream.ByeReason) error {
	return st.write(stream.Bye(st.told, reason, randomRetry()))
}

func (st *eventStream) write(b []byte) error {
	st.life.wrote(time.Now())
	return st.out.write(b)
}

func randomRetry() time.Duration {
	return retryLeast + rand.N(retryMost-retryLeast)
}
