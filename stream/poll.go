package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// The answers to polls that wait for the same event are spread over a time, because
	// clients poll again at once and would all return together. spreadEach is the time that
	// each waiting poll adds, and spreadMost the longest time.
	spreadMost = 100 * time.Millisecond
	spreadEach = 100 * time.Microsecond
)

// PollConfig sets the topics, the start and the bounds of a [LongPoll].
type PollConfig struct {
	Topics   []Topic
	Start    Start
	Until    time.Time // the end of the wait; in the past: the poll does not wait
	Limit    int       // largest number of events in the answer
	Presence bool      // the poll gets presence events
	// Ended is called once, when the poll is answered, has failed or is closed. conn is the
	// connection that was taken over, or nil if it is closed. A worker may call Ended, so it
	// must not block.
	Ended func(end End, conn net.Conn)
}

// A PollResult is the answer of a poll, before it is encoded.
type PollResult struct {
	// Frames are the events; none if the wait is over or Err is set.
	Frames []*Frame
	// Cursor is the cursor of the next poll.
	Cursor Cursor
	// More reports that the next poll need not wait.
	More bool
	// Err is ErrClosed when the hub stops, a *GapError, context.Canceled if the client
	// seems to have left, or the error of the log.
	Err error
	// Keep reports that the connection stays open after the answer.
	Keep bool
}

// A LongPoll is one poll: it waits for the first events of a subscription or for the end of
// the wait, and is then answered once. TakeOver, Run or Close must be called.
type LongPoll struct {
	driver
	answer func(PollResult) []byte // encodes the answer
	limit  int
	until  time.Duration // end of the wait, by the hub's clock
	due    time.Duration // time of a delayed answer; 0: no answer is delayed
	waited bool          // the poll could not be answered at once
}

// OpenPoll begins a poll. It returns ErrClosed or ErrNotReady.
func (h *Hub) OpenPoll(cfg PollConfig) (*LongPoll, error) {
	p := &LongPoll{limit: cfg.Limit, until: h.now() + time.Until(cfg.Until)}
	p.composer, p.ended = p, cfg.Ended
	p.sub.transport, p.sub.presence, p.sub.ready = Poll, cfg.Presence, make(chan struct{}, 1)
	p.sub.backlog.all = true
	if err := h.join(&p.sub, cfg.Topics, cfg.Start); err != nil {
		return nil, err
	}
	return p, nil
}

// Close ends a poll that was given neither to TakeOver nor to Run. It may be called more
// than once.
func (p *LongPoll) Close() { p.close(EndLeft, nil) }

// Ready reports whether the poll can be answered now: there are events or an error, or
// the wait is over. It waits for reads of the log, but no longer than until ctx ends.
func (p *LongPoll) Ready(ctx context.Context) bool {
	for {
		ready, from := p.sub.available()
		if ready || from != supplyLog {
			p.waited = !ready && p.sub.shard.hub.now() < p.until
			return !p.waited
		}
		select {
		case <-p.sub.ready:
		case <-ctx.Done():
			return true
		}
	}
}

// Fault returns the error that the poll will be answered with, or nil if there is none yet:
// a *GapError if the cursor is gone, ErrClosed, or the error of the log.
func (p *LongPoll) Fault() error {
	p.sub.shard.mu.Lock()
	defer p.sub.shard.mu.Unlock()
	return p.sub.fault
}

// TakeOver gives the connection to the hub, which waits and answers. The caller must not use
// the connection afterwards. A waiting poll then costs no goroutine. encode returns the
// whole HTTP response for a result; a worker calls it once, and it must not block. With
// keep, the connection is passed to Ended after an answer that leaves it usable, instead of
// being closed. TakeOver returns the errors of [Feed.TakeOver]; on an error the connection
// is unchanged, and the poll must be closed.
func (p *LongPoll) TakeOver(c net.Conn, encode func(PollResult) []byte, keep bool) error {
	p.answer, p.keep = encode, keep
	return p.takeOver(c)
}

// Run waits and answers in the caller's goroutine. encode returns the bytes of the answer,
// which are given to write. Run returns the error of write. The end of ctx means that the
// client has left.
func (p *LongPoll) Run(ctx context.Context, encode func(PollResult) []byte, write func([]byte) error) error {
	p.answer, p.keep = encode, true
	return p.run(ctx, write)
}

// compose implements [composer].
func (p *LongPoll) compose(o *output, left bool) step {
	if left {
		return p.conclude(o, nil, context.Canceled, EndLeft)
	}
	if ready, _ := p.sub.available(); !ready && o.now < p.until {
		p.waited, p.due = true, 0
		return step{due: p.until}
	}
	if p.spread(o); o.now < p.due {
		return step{due: p.due}
	}
	frames, _, err := p.sub.take(nil, p.limit, Unlimited)
	o.count.answered(frames, p.waited, o.date)
	end := EndAnswered
	if errors.Is(err, ErrClosed) {
		end = EndShutdown
	}
	return p.conclude(o, frames, err, end)
}

// conclude appends the answer.
func (p *LongPoll) conclude(o *output, frames []*Frame, err error, end End) step {
	p.keep = p.keep && err == nil && p.conn.Clean()
	result := PollResult{Frames: frames, Err: err, Keep: p.keep}
	result.Cursor, result.More = p.sub.resume()
	o.bytes = append(o.bytes, p.answer(result)...)
	return step{end: end}
}

// spread delays the answer by a random time if the poll has waited and many other polls
// wait.
func (p *LongPoll) spread(o *output) {
	if p.due > 0 {
		return
	}
	p.due = o.now
	most := min(spreadMost, time.Duration(p.sub.shard.polls())*spreadEach)
	if p.waited && most >= wheelSlot && o.now < p.until {
		p.due += rand.N(most)
	}
}

// polls estimates the number of polls that wait at the hub, from those of this shard.
func (sh *shard) polls() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.count.Readers[Poll] * int64(len(sh.hub.shards))
}
