package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// spreadMost is the longest time over which the answers to polls that wait for the
	// same event are spread, and spreadEach what each waiting poll adds to that time.
	// Clients poll again at once, so without it all would come back together.
	spreadMost = 100 * time.Millisecond
	spreadEach = 100 * time.Microsecond
)

// PollConfig says what a [LongPoll] waits for.
type PollConfig struct {
	Topics []Topic
	Start  Start
	Until  time.Time // the end of the wait; in the past: the poll does not wait
	Limit  int       // of frames in the answer
	// Ended is called once when the poll is answered, has failed or is closed, with the
	// connection that was taken over if it can be used again. It may be called by a worker
	// and must not block.
	Ended func(end End, conn net.Conn)
}

// A PollResult is what a poll is answered with.
type PollResult struct {
	// Frames are the events; none if the wait is over or Err is set.
	Frames []*Frame
	// Cursor is where the next poll goes on.
	Cursor Cursor
	// More reports that the next poll has something to read at once.
	More bool
	// Err is ErrClosed when the hub stops, a *GapError, context.Canceled if the client
	// seems to have left, or the error of the log.
	Err error
	// Keep reports that the connection stays open after the answer.
	Keep bool
}

// A LongPoll is one poll: a subscription that is collected until its first event or the
// end of the wait, and then answered. It must be given to TakeOver or Run, or be closed.
type LongPoll struct {
	driver
	answer func(PollResult) []byte // encodes
	limit  int
	until  time.Duration // by the hub's clock
	due    time.Duration // of an answer that is delayed; 0: there is none
	waited bool          // there was nothing to answer with at first
}

// OpenPoll begins a poll. It returns ErrClosed or ErrNotReady.
func (h *Hub) OpenPoll(cfg PollConfig) (*LongPoll, error) {
	p := &LongPoll{limit: cfg.Limit, until: h.now() + time.Until(cfg.Until)}
	p.composer, p.ended = p, cfg.Ended
	p.sub.transport, p.sub.ready = Poll, make(chan struct{}, 1)
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

// TakeOver has the hub wait and answer over a connection that nothing else uses any more:
// a waiting poll then costs no goroutine. encode returns the whole HTTP response for a
// result. It is called once, by a worker, and must not block. With keep, the connection
// is given to Ended after an answer that leaves it usable, and not closed. On an error
// the connection is unchanged, and the poll must be closed.
func (p *LongPoll) TakeOver(c net.Conn, encode func(PollResult) []byte, keep bool) error {
	p.answer, p.keep = encode, keep
	return p.takeOver(c)
}

// Run waits and answers in the caller's goroutine. encode returns the bytes of the
// answer for write, whose error Run returns. When ctx ends, the client has left.
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

// spread delays the answer at random if the poll has waited and many others do.
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

// polls is about how many polls wait at the hub.
func (sh *shard) polls() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.count.Readers[Poll] * int64(len(sh.hub.shards))
}
