package stream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// PollConfig sets the topics, the start and the bounds of a [LongPoll].
type PollConfig struct {
	Topics   []Topic // the poll keeps the slice
	Start    Start
	Until    time.Time // the end of the wait; in the past: the poll does not wait
	Limit    int       // largest number of events in the answer
	Presence bool      // the poll gets presence events
	// Address is the client. A part of an answer that several sockets of one client do not
	// accept is reserved once.
	Address netip.Addr
	Caller  PollCaller
}

// A PollCaller is the side of a poll that knows HTTP and the limits of clients. Its methods
// are called one at a time. A worker may call them, so they must not block.
type PollCaller interface {
	// Body encodes the part of the answer that all polls with an equal result share. It is
	// called only if the result has no error.
	Body(PollResult) *PollBody
	// Answer appends the rest of the answer to b. The body, which is nil if the result has an
	// error, is sent before the byte with the index place.
	Answer(b []byte, result PollResult, body *PollBody) (rest []byte, place int)
	// Reserve reserves memory for a part of the answer that the socket does not accept. It
	// reports false if there is no room: the connection is then closed.
	Reserve(bytes int) (release func(), ok bool)
	// Ended is called once, when the poll is answered, has failed or is closed.
	Ended(End)
	// Idle is called after Ended if the hub keeps the connection for the next poll. It
	// returns how long the client may take until its next request.
	Idle() time.Duration
	// Next reads the bytes that the client has sent over an idle connection. It reports false
	// if they are not exactly one request for a poll that the hub may answer: the connection
	// is then returned with the bytes. Otherwise it returns the next poll, which starts at a
	// cursor and has the same Caller. If the hub does not have the events after the cursor in
	// memory, or too many of them, it calls Return with the bytes, without Ended.
	Next(read []byte) (PollConfig, bool)
	// Return is called at the end of TakeOver. conn is the connection, with the bytes that
	// were read from it and belong to the next request. It is nil if it is closed.
	Return(conn net.Conn, read []byte)
}

// A PollResult is the answer of a poll, before it is encoded.
type PollResult struct {
	// Frames are the events; none if the wait is over or Err is set. They must not be used
	// after the call that they are passed to.
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
// the wait, and is then answered once. TakeOver, Run or Close must be called. A LongPoll
// whose connection was taken over may go on with the next poll over the same connection: see
// again.go.
type LongPoll struct {
	driver
	caller    PollCaller
	address   netip.Addr
	unsent    unsent
	until     time.Duration // end of the wait, by the hub's clock
	due       time.Duration // time of a delayed answer; 0: no answer is delayed
	idleUntil time.Duration // end of the time until the next request; 0: a poll is open
	limit     int
	waited    bool // the poll could not be answered at once
}

// OpenPoll begins a poll. It returns ErrClosed or ErrNotReady.
func (h *Hub) OpenPoll(cfg PollConfig) (*LongPoll, error) {
	p := &LongPoll{}
	p.composer = p
	p.configure(cfg, h.now())
	p.sub.transport, p.sub.presence, p.sub.ready = Poll, cfg.Presence, make(chan struct{}, 1)
	p.sub.backlog.all = true
	if err := h.join(&p.sub, cfg.Topics, cfg.Start); err != nil {
		return nil, err
	}
	return p, nil
}

// configure sets the fields that do not concern the subscription.
func (p *LongPoll) configure(cfg PollConfig, now time.Duration) {
	p.caller, p.address, p.limit = cfg.Caller, cfg.Address, cfg.Limit
	p.until, p.due, p.waited = now+time.Until(cfg.Until), 0, false
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
// the connection afterwards. A waiting poll then costs no goroutine. The answer of the
// Caller is a whole HTTP response. With keep, the hub waits for the next poll after an answer
// that leaves the connection usable, instead of closing it. TakeOver returns the errors of
// [Feed.TakeOver]; on an error the connection is unchanged, and the poll must be closed.
func (p *LongPoll) TakeOver(c net.Conn, keep bool) error {
	p.keep = keep
	return p.takeOver(c, p, keep)
}

// Run waits and answers in the caller's goroutine. The answer is given to write, whose error
// Run returns. The end of ctx means that the client has left.
func (p *LongPoll) Run(ctx context.Context, write func([]byte) error) error {
	p.keep = true
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
	frames, _, err := p.sub.take(o.frames[:0], p.limit, Unlimited)
	o.frames = frames
	o.count.answered(frames, p.waited, o.date)
	o.cost.answers++
	end := EndAnswered
	if errors.Is(err, ErrClosed) {
		end = EndShutdown
	}
	s := p.conclude(o, frames, err, end)
	clear(o.frames)
	return s
}

// conclude appends the answer.
func (p *LongPoll) conclude(o *output, frames []*Frame, err error, end End) step {
	p.keep = p.keep && err == nil && p.conn.Clean()
	result := PollResult{Frames: frames, Err: err, Keep: p.keep}
	result.Cursor, result.More = p.sub.resume()
	var body *PollBody
	if err == nil {
		body = o.bodies.of(result, p.caller)
	}
	o.bytes, o.place = p.caller.Answer(o.bytes, result, body)
	o.body = body
	return step{end: end}
}

// pending implements [composer].
func (p *LongPoll) pending(o *output) bool {
	return p.unsent.reserve(p.address, p.conn.Pending(), p.conn.Copied(), o.body, p.caller)
}

// ended implements [composer].
func (p *LongPoll) ended(end End, c net.Conn) {
	p.unsent.release(p.address)
	p.caller.Ended(end)
	p.caller.Return(c, nil)
}
