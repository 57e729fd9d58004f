package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// partBytes is about how much is written to a stream at once: each part has a
	// deadline of its own, so that a reader who is slow but reads is not cut.
	partBytes = 32 << 10
	// unreadablePause is how long a reader that is behind waits for an unreadable log.
	unreadablePause = time.Second
	// expiryWarning is how long before the token's end the client is warned.
	expiryWarning = 30 * time.Second
	// checkpointEvery is how far a quiet reader's cursor may lag behind, in time;
	// the first comes soon after a replay.
	checkpointEvery = 3 * time.Minute
	checkpointFirst = time.Second
	// The retry of stream.ready and stream.bye is random in this range, so that
	// readers that were cut together don't return together.
	retryLeast = time.Second
	retryMost  = 5 * time.Second
)

// A Style is how a reader wants the same events written.
type Style struct {
	Enveloped bool // the topic inside the data
	Pings     bool // heartbeats that JavaScript can see
	Padded    bool // 2 KiB ahead, against buffering intermediaries
}

// FeedConfig says what a [Feed] brings, and for how long.
type FeedConfig struct {
	Topics    []Topic
	Start     Start
	Style     Style
	Heartbeat time.Duration // of a quiet stream
	MaxAge    time.Duration // it ends at 80–100 % of it; 0: it has no age
	Expires   time.Time     // of the token; zero: never
	// Ended is called once, when the feed is over; with the connection that was taken
	// over, when it is as good as before. It must not block.
	Ended func(end End, conn net.Conn)
}

// A Feed is one event stream (HTML standard 9.2), from stream.ready to stream.bye: a
// subscription and what is to be said besides its events. It is written by the hub,
// once the connection was given to it (TakeOver), or by a goroutine of its own (Run).
type Feed struct {
	sub  Subscription
	wire wire   // of TakeOver
	told Cursor // the last id that was written

	// When things are due by the hub's clock; 0: never.
	beat       time.Duration
	checkpoint time.Duration
	warning    time.Duration
	expires    time.Duration
	age        time.Duration
	readable   time.Duration // the log is to be tried again
	armed      time.Duration // the wheel is set

	heartbeat time.Duration
	maxAge    time.Duration
	style     Style
	begun     bool
	slow      bool
	ending    End // the last byte is on its way
	ended     func(End, net.Conn)
}

// Open begins a feed, which must be given to TakeOver or Run, or closed. It returns
// ErrClosed or ErrNotReady.
func (h *Hub) Open(cfg FeedConfig) (*Feed, error) {
	f := &Feed{style: cfg.Style, ended: cfg.Ended, heartbeat: cfg.Heartbeat, maxAge: cfg.MaxAge}
	f.sub.transport = SSE
	if err := h.join(&f.sub, cfg.Topics, cfg.Start); err != nil {
		return nil, err
	}
	now := h.now()
	f.checkpoint = now + checkpointFirst
	if !cfg.Expires.IsZero() {
		f.expires = max(1, now+time.Until(cfg.Expires))
		f.warning = max(0, f.expires-expiryWarning)
		if f.warning <= now {
			f.warning = 0
		}
	}
	if f.maxAge > 0 {
		f.age = now + f.maxAge - rand.N(max(1, f.maxAge/5))
	}
	return f, nil
}

// Close ends a feed that was given to nobody, because TakeOver failed or was not called.
func (f *Feed) Close() { f.finish(EndLeft, nil) }

// A pen writes feeds, one after the other.
type pen struct {
	now    time.Duration // by the hub's clock
	date   time.Time     // the same by the system's
	bytes  []byte        // what is to be written
	frames []*Frame
	count  tally
}

func (p *pen) tick(h *Hub) { p.now, p.date = h.now(), time.Now() }

// A verdict is what comes after a part of a feed.
type verdict struct {
	more bool // there is more to write at once
	end  End  // it is over, once this was written
}

// compose appends what is to be written now, a part of it at most.
func (f *Feed) compose(p *pen) verdict {
	start := len(p.bytes)
	if !f.begun {
		f.ready(p)
	}
	if end := f.over(p.now); end != "" {
		return f.bye(p, end)
	}
	if past(f.warning, p.now) {
		f.warning = 0
		p.bytes = append(p.bytes, Expiring(f.told, f.expires-p.now)...)
	}
	v := f.events(p)
	if v.end == "" && !v.more {
		f.quiet(p, len(p.bytes) > start)
	}
	if len(p.bytes) > start {
		f.beat = p.now + f.heartbeat - rand.N(max(1, f.heartbeat/10))
	}
	return v
}

func past(due, now time.Duration) bool { return due > 0 && now >= due }

// over says whether the feed's time is over.
func (f *Feed) over(now time.Duration) End {
	switch {
	case past(f.expires, now):
		return EndExpired
	case f.slow:
		return EndSlow
	case past(f.age, now):
		return EndAge
	}
	return ""
}

func (f *Feed) ready(p *pen) {
	f.begun = true
	f.told = f.sub.Cursor()
	if f.style.Padded {
		p.bytes = append(p.bytes, padding...)
	}
	p.bytes = append(p.bytes, Ready(f.told, f.heartbeat, f.maxAge, randomRetry(retryMost))...)
}

var padding = func() []byte {
	b := make([]byte, 2050)
	for i := range b {
		b[i] = ' '
	}
	b[0], b[len(b)-1] = ':', '\n'
	return b
}()

func (f *Feed) bye(p *pen, end End) verdict {
	most := retryMost
	if end == EndShutdown {
		most = max(most, retryLeast+f.sub.shard.hub.window())
	}
	p.bytes = append(p.bytes, Bye(f.told, ByeReason(end), randomRetry(most))...)
	return verdict{end: end}
}

func randomRetry(most time.Duration) time.Duration { return retryLeast + rand.N(most-retryLeast) }

// events appends what there is of events.
func (f *Feed) events(p *pen) verdict {
	frames, next, err := f.sub.take(p.frames[:0], chunkFrames, partBytes)
	p.frames = frames
	if err != nil {
		return f.trouble(p, err)
	}
	for _, e := range frames {
		if f.style.Enveloped {
			p.bytes = e.appendEnveloped(p.bytes)
		} else {
			p.bytes = append(p.bytes, e.sse...)
		}
		if !e.Ephemeral() {
			f.told = e.Cursor
		}
		p.count.frame(e, p.date)
	}
	clear(p.frames)
	if next == fetchNext && (f.readable == 0 || past(f.readable, p.now)) {
		f.readable = 0
		f.sub.fetch()
		return verdict{more: true}
	}
	return verdict{more: next == moreNext}
}

// trouble tells the reader why there are no events, unless it is a passing reason.
func (f *Feed) trouble(p *pen, err error) verdict {
	var gap *GapError
	switch {
	case errors.Is(err, ErrClosed):
		return f.bye(p, EndShutdown)
	case errors.As(err, &gap):
		f.told = gap.Resumed
		p.bytes = append(p.bytes, Gap(gap)...)
		return verdict{more: true}
	}
	f.readable = p.now + unreadablePause
	return verdict{}
}

// quiet does what is due when there are no more events.
func (f *Feed) quiet(p *pen, wrote bool) {
	if past(f.checkpoint, p.now) {
		f.checkpoint = p.now + checkpointEvery
		// An old cursor would look like a gap one day, though only other topics went on.
		if at := f.sub.Cursor(); f.sub.Drained() && at.Position > f.told.Position {
			f.told, wrote = at, true
			p.bytes = append(p.bytes, Checkpoint(at)...)
		}
	}
	if !wrote && past(f.beat, p.now) {
		if f.style.Pings {
			p.bytes = append(p.bytes, Ping()...)
		} else {
			p.bytes = append(p.bytes, Heartbeat...)
		}
	}
}

// next is when something is due again.
func (f *Feed) next() time.Duration {
	next := f.beat
	for _, due := range [...]time.Duration{f.checkpoint, f.warning, f.expires, f.age, f.readable} {
		if due > 0 && due < next {
			next = due
		}
	}
	return next
}

// Run writes the feed until it is over, ctx ends, or a write fails, whose error it
// returns. It is for connections that cannot be taken over: each write is of whole
// blocks, and may take its time.
func (f *Feed) Run(ctx context.Context, write func([]byte) error) error {
	h := f.sub.shard.hub
	if err := f.sub.own(nil); err != nil {
		return err
	}
	end := EndLeft
	defer func() { f.finish(end, nil) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	p := pen{bytes: make([]byte, 0, 4<<10)}
	for ctx.Err() == nil {
		p.tick(h)
		p.bytes = p.bytes[:0]
		v := f.compose(&p)
		if len(p.bytes) > 0 {
			if err := write(p.bytes); err != nil {
				return err
			}
			p.count.writes++
			p.count.bytes += int64(len(p.bytes))
			f.tell(&p)
		}
		if v.end != "" {
			end = v.end
			return nil
		}
		if v.more {
			continue
		}
		timer.Reset(f.next() - p.now)
		select {
		case <-f.sub.ready:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return nil
}

func (f *Feed) tell(p *pen) {
	f.sub.shard.mu.Lock()
	defer f.sub.shard.mu.Unlock()
	p.count.flush(&f.sub.shard.count)
}

// finish ends the feed and tells its owner, once.
func (f *Feed) finish(end End, conn net.Conn) {
	l := f.sub.shard
	l.mu.Lock()
	open := f.sub.seats != nil
	if open {
		l.count.Ended[end]++
		l.unseat(&f.sub)
	}
	l.mu.Unlock()
	if open && f.ended != nil {
		f.ended(end, conn)
	}
}
