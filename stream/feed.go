package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// partBytes is about the size of one write to a stream. The deadline applies to each
	// write, so a client that reads slowly but steadily is not disconnected.
	partBytes = 32 << 10
	// unreadablePause is how long a reader waits after a failed read of the log.
	unreadablePause = time.Second
	// unreadableMost is how long after the first failed read of the log a stream ends. Its
	// reader returns, perhaps to another instance.
	unreadableMost = 10 * time.Second
	// expiryWarning is how long before the end of the token stream.expiring is sent.
	expiryWarning = 30 * time.Second
	// checkpointFirst is the time from the start of a quiet stream to its first
	// stream.checkpoint, checkpointEvery the time between two of them.
	checkpointFirst = time.Second
	checkpointEvery = 3 * time.Minute
	// retryLeast and retryMost bound the retry of stream.ready and stream.bye. It is
	// random, so that readers that lose their connections together do not return together.
	retryLeast = time.Second
	retryMost  = 5 * time.Second
)

// A Style is how the events of a stream are written.
type Style struct {
	Enveloped bool // the data of each event contains the topic
	Pings     bool // heartbeats are events, which JavaScript can see
	Padded    bool // the stream begins with a comment of 2 KiB, for proxies that buffer
}

// FeedConfig configures a [Feed].
type FeedConfig struct {
	Topics    []Topic
	Start     Start
	Style     Style
	Presence  bool          // the stream gets presence events
	Heartbeat time.Duration // a quiet stream sends one at 90 to 100 % of this time
	MaxAge    time.Duration // the stream ends at 80 to 100 % of this age; 0: no maximum
	User      string        // id of the user that reads, for stream.ready; "" without a user
	Expires   time.Time     // the end of the token; zero: no end
	// Ended is called once, when the feed has ended or is closed. conn is the connection
	// that was taken over, or nil if it is closed. A worker may call Ended, so it must not
	// block.
	Ended func(end End, conn net.Conn)
}

// A Feed is one event stream (HTML standard 9.2), from stream.ready to stream.bye: the
// events of a subscription, and heartbeats, checkpoints and warnings between them. It
// must be given to TakeOver or Run, or be closed.
type Feed struct {
	driver
	sent Cursor // the last id that was written

	// Times of the hub's clock; 0 means never.
	beat       time.Duration // next heartbeat
	checkpoint time.Duration // next checkpoint
	warning    time.Duration // stream.expiring
	expires    time.Duration // end of the token
	age        time.Duration // end of the stream by its age
	readable   time.Duration // next read of the log after a failure
	unreadable time.Duration // end of the stream if the log cannot be read until then

	onEnd     func(End, net.Conn) // FeedConfig.Ended; may be nil
	heartbeat time.Duration
	maxAge    time.Duration
	user      string
	style     Style
	begun     bool // stream.ready was written
}

// Open begins a feed. It returns ErrClosed or ErrNotReady.
func (h *Hub) Open(cfg FeedConfig) (*Feed, error) {
	f := &Feed{style: cfg.Style, heartbeat: cfg.Heartbeat, maxAge: cfg.MaxAge, user: cfg.User}
	f.composer, f.onEnd = f, cfg.Ended
	f.sub.transport, f.sub.presence = SSE, cfg.Presence
	if err := h.join(&f.sub, cfg.Topics, cfg.Start); err != nil {
		return nil, err
	}
	now := h.now()
	f.checkpoint = now + checkpointFirst
	if !cfg.Expires.IsZero() {
		f.expires = max(1, now+time.Until(cfg.Expires))
		f.warning = max(1, f.expires-expiryWarning) // at once if the token is that short
	}
	if f.maxAge > 0 {
		f.age = now + f.maxAge - rand.N(max(1, f.maxAge/5))
	}
	return f, nil
}

// Close ends a feed that was given neither to TakeOver nor to Run. It may be called more
// than once.
func (f *Feed) Close() { f.close(EndLeft, nil) }

// A Takeover sets how a stream is written to a connection that was taken over.
type Takeover struct {
	// Head is the status line and the header of the response. It is written first.
	Head []byte
	// Chunked sends the stream in chunks (RFC 9112 section 7.1). Otherwise the stream
	// ends with the connection.
	Chunked bool
	// Keep passes the connection to Ended after an orderly end, instead of closing it. It
	// needs Chunked.
	Keep bool
}

// TakeOver gives the connection to the hub, which writes the feed to it. The caller must not
// use the connection afterwards. An idle reader then costs no goroutine and no buffer. It
// returns ErrNotSupported unless [CanTakeOver] reports true, ErrClosed when the hub stops,
// or the error of a system call. On an error the connection is unchanged, and the feed must
// be closed.
func (f *Feed) TakeOver(c net.Conn, t Takeover) error {
	f.head, f.chunked, f.keep = t.Head, t.Chunked, t.Keep && t.Chunked
	return f.takeOver(c, f, false)
}

// Run writes the feed in the caller's goroutine until the feed is over, ctx ends, or a
// write fails, whose error Run returns. Each write is of whole blocks and may block. An
// error of write that is [os.ErrDeadlineExceeded] is counted as EndStalled.
func (f *Feed) Run(ctx context.Context, write func([]byte) error) error { return f.run(ctx, write) }

// compose implements [composer].
func (f *Feed) compose(o *output, left bool) step {
	if left {
		return step{end: EndLeft}
	}
	start := len(o.bytes)
	if !f.begun {
		f.ready(o)
	}
	if end := f.over(o.now); end != "" {
		return f.bye(o, end)
	}
	if past(f.warning, o.now) {
		f.warning = 0
		o.bytes = append(o.bytes, Expiring(f.sent, f.expires-o.now)...)
	}
	s := f.events(o)
	if s.end == "" && !s.more {
		f.quiet(o, len(o.bytes) > start)
	}
	if len(o.bytes) > start {
		f.beat = o.now + f.heartbeat - rand.N(max(1, f.heartbeat/10))
	}
	s.due = f.next()
	return s
}

// pending implements [composer]. Bytes of one part at most are pending.
func (f *Feed) pending(*output) bool { return true }

// rest implements [composer].
func (f *Feed) rest(*worker, End) bool { return false }

// ended implements [composer].
func (f *Feed) ended(end End, c net.Conn) {
	if f.onEnd != nil {
		f.onEnd(end, c)
	}
}

// past reports whether a time is set and has come.
func past(due, now time.Duration) bool { return due > 0 && now >= due }

// over returns the reason for which the feed has to end now; empty if there is none.
func (f *Feed) over(now time.Duration) End {
	switch {
	case past(f.expires, now):
		return EndExpired
	case f.slow:
		return EndSlow
	case past(f.age, now):
		return EndAge
	case past(f.unreadable, now):
		return EndUnavailable
	}
	return ""
}

// ready appends stream.ready.
func (f *Feed) ready(o *output) {
	f.begun = true
	f.sent = f.sub.Cursor()
	if f.style.Padded {
		o.bytes = append(o.bytes, padding...)
	}
	o.bytes = append(o.bytes, Ready(f.sent, f.heartbeat, f.maxAge, randomRetry(retryMost), f.user)...)
}

// padding is a comment of 2 KiB.
var padding = func() []byte {
	b := make([]byte, 2050)
	for i := range b {
		b[i] = ' '
	}
	b[0], b[len(b)-1] = ':', '\n'
	return b
}()

// bye appends stream.bye.
func (f *Feed) bye(o *output, end End) step {
	most := retryMost
	if end == EndShutdown {
		f.keep = false
		most = max(most, retryLeast+f.sub.shard.hub.window())
	}
	o.bytes = append(o.bytes, Bye(f.sent, end, randomRetry(most))...)
	return step{end: end}
}

// randomRetry is a random time from retryLeast to most.
func randomRetry(most time.Duration) time.Duration { return retryLeast + rand.N(most-retryLeast) }

// events appends the events that wait, at most about partBytes.
func (f *Feed) events(o *output) step {
	frames, from, err := f.sub.take(o.frames[:0], chunkFrames, partBytes)
	o.frames = frames
	if err != nil {
		return f.trouble(o, err)
	}
	if len(frames) > 0 || from != supplyFetch && from != supplyLog {
		f.unreadable = 0
	}
	for _, e := range frames {
		if f.style.Enveloped {
			o.bytes = e.appendEnveloped(o.bytes)
		} else {
			o.bytes = append(o.bytes, e.SSE()...)
		}
		if !e.Ephemeral() {
			f.sent = e.Cursor
		}
		o.count.frame(e, o.date)
	}
	clear(o.frames)
	if from == supplyFetch && (f.readable == 0 || past(f.readable, o.now)) {
		f.readable = 0
		f.sub.fetch()
		return step{more: true}
	}
	return step{more: from == supplyMore}
}

// trouble handles an error of the subscription: it appends stream.gap or stream.bye. If the
// log cannot be read, it appends nothing. The log is then read again after unreadablePause,
// and the stream ends after unreadableMost.
func (f *Feed) trouble(o *output, err error) step {
	var gap *GapError
	switch {
	case errors.Is(err, ErrClosed):
		return f.bye(o, EndShutdown)
	case errors.As(err, &gap):
		f.sent = gap.Resumed
		o.bytes = append(o.bytes, Gap(gap)...)
		return step{more: true}
	}
	f.readable = o.now + unreadablePause
	if f.unreadable == 0 {
		f.unreadable = o.now + unreadableMost
	}
	return step{}
}

// quiet appends a checkpoint or a heartbeat if one is due.
func (f *Feed) quiet(o *output, wrote bool) {
	if past(f.checkpoint, o.now) {
		f.checkpoint = o.now + checkpointEvery
		// If only other topics have events, retention could remove the position of this
		// reader's cursor.
		if at := f.sub.Cursor(); f.sub.Drained() && at.Position > f.sent.Position {
			f.sent, wrote = at, true
			o.bytes = append(o.bytes, Checkpoint(at)...)
		}
	}
	if !wrote && past(f.beat, o.now) {
		if f.style.Pings {
			o.bytes = append(o.bytes, Ping()...)
		} else {
			o.bytes = append(o.bytes, Heartbeat...)
		}
	}
}

// next returns the earliest time at which compose has to be called.
func (f *Feed) next() time.Duration {
	next := f.beat
	for _, due := range [...]time.Duration{f.checkpoint, f.warning, f.expires, f.age, f.readable, f.unreadable} {
		if due > 0 && due < next {
			next = due
		}
	}
	return next
}
