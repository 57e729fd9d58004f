package awareness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/faults"
)

// ErrTooManyPosts is returned by [Presence.State] when the presence of too many posts is
// asked for at the same time. The caller may try again.
var ErrTooManyPosts = errors.New("too many posts are watched")

// withdrawTimeout bounds the last statement of an instance that stops.
const withdrawTimeout = 2 * time.Second

// gather is how long polls that begin or end are collected before the ledger counts them. A
// poll is answered and its reader polls again all the time, so without it the goroutine of
// Run would be woken for each.
const gather = 10 * time.Millisecond

// PresenceConfig sets a [Presence].
type PresenceConfig struct {
	Out    Broadcaster  // gets the events
	Board  Board        // nil: there are no other instances
	Logger *slog.Logger // default: discard
}

// Presence knows who reads each post, on all instances, and broadcasts it to the readers that
// ask for it. All methods may be called from any goroutine, and those without a context do not
// block. The methods of a nil *Presence and of a nil *Visit do nothing.
type Presence struct {
	board  Board
	faults *faults.Work  // calls of the board
	id     string        // of this instance on the board
	wake   chan struct{} // holds a token when a change was queued
	later  chan struct{} // holds a token when a poll was queued, which may wait for gather
	jobs   chan job      // for the goroutine that uses the board; the ledger sends one at a time
	ended  chan struct{}
	ledger *ledger // used by Run only

	mu    sync.Mutex // guards queue
	queue []change
}

// A change is what one call does to the ledger: do, or the beginning or end of a visit. Run
// applies changes in their order.
type change struct {
	do    func(l *ledger, now time.Time) // nil: visit
	visit *Visit
	ends  bool
}

func (c change) apply(l *ledger, now time.Time) {
	if c.do != nil {
		c.do(l, now)
		return
	}
	for _, topic := range c.visit.reader.Posts {
		if c.ends {
			l.leave(topic, c.visit, now)
		} else {
			l.join(topic, c.visit.reader, now)
		}
	}
}

// NewPresence returns a Presence that works while Run runs.
func NewPresence(cfg PresenceConfig) *Presence {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Presence{
		board: cfg.Board, id: newUUID(),
		faults: faults.New(cfg.Logger, "presence of other instances is not known", "presence of other instances is known again"),
		wake:   make(chan struct{}, 1), later: make(chan struct{}, 1), jobs: make(chan job, 1), ended: make(chan struct{}),
	}
	p.ledger = newLedger(cfg.Out, p.id, cfg.Board != nil)
	return p
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// A Reader is a stream or a poll that begins.
type Reader struct {
	Posts []stream.Topic // that it reads; the Presence keeps the slice
	User  User           // without an id: the reader is not signed in
	Asks  bool           // it gets presence events
	Poll  bool
	At    stream.Cursor // where a poll begins; zero: not at a cursor
}

// Join counts a reader until its visit ends.
func (p *Presence) Join(r Reader) *Visit {
	if p == nil || len(r.Posts) == 0 {
		return nil
	}
	v := &Visit{presence: p, reader: r}
	p.post(change{visit: v})
	return v
}

// A Visit is a reader that is counted. Only one goroutine at a time may use it.
type Visit struct {
	presence *Presence
	reader   Reader
	next     stream.Cursor // of the answer
	answered bool
}

// Answer notes that the poll is answered. Its reader then counts for 10 s after End. A poll
// that begins at next within this time is of the same reader.
func (v *Visit) Answer(next stream.Cursor) {
	if v != nil {
		v.answered, v.next = true, next
	}
}

// End ends the visit. It must be called once.
func (v *Visit) End() {
	if v == nil {
		return
	}
	v.presence.post(change{visit: v, ends: true})
}

// A State is the presence of a post at one moment.
type State struct {
	PostID  string `json:"postId"`
	Viewers int    `json:"viewers"` // each user once, each reader without a user once
	Users   []User `json:"users"`   // the first 20 in the order of their ids
}

// State returns the presence of a post on all instances. If nobody watches the post, other
// instances are asked first, for at most 3 s. It returns ErrTooManyPosts, stream.ErrClosed
// after Run has ended, and ctx.Err().
func (p *Presence) State(ctx context.Context, post stream.Topic) (State, error) {
	answer := make(chan State, 1)
	refused := make(chan struct{})
	p.do(func(l *ledger, now time.Time) {
		if !l.ask(post, answer, now) {
			close(refused)
		}
	})
	select {
	case state := <-answer:
		return state, nil
	case <-refused:
		return State{}, ErrTooManyPosts
	case <-p.ended:
		return State{}, stream.ErrClosed
	case <-ctx.Done():
		return State{}, ctx.Err()
	}
}

// Lease sets the session that listens for this instance. The listener calls it after each
// connect.
func (p *Presence) Lease(lease Lease) {
	p.do(func(l *ledger, _ time.Time) { l.renew(lease) })
}

// Ring tells that the board has changed. The listener calls it for each doorbell.
func (p *Presence) Ring() {
	p.do(func(l *ledger, _ time.Time) { l.rung = true })
}

func (p *Presence) do(fn func(l *ledger, now time.Time)) { p.post(change{do: fn}) }

// post queues a change. A poll waits for others, unless it asks for presence events.
func (p *Presence) post(c change) {
	p.mu.Lock()
	p.queue = append(p.queue, c)
	p.mu.Unlock()
	wake := p.wake
	if c.do == nil && c.visit.reader.Poll && !c.visit.reader.Asks {
		wake = p.later
	}
	select {
	case wake <- struct{}{}:
	default: // a token is already there
	}
}

// take returns the queued changes, and queues later ones in the array of into.
func (p *Presence) take(into []change) []change {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.queue
	p.queue = into[:0]
	return taken
}

// Run broadcasts events and uses the board until ctx ends. Then it withdraws this instance
// from the board, and returns nil.
func (p *Presence) Run(ctx context.Context) error {
	var using sync.WaitGroup
	defer using.Wait()
	defer close(p.ended)
	if p.board != nil {
		using.Go(func() { p.useBoard(ctx) })
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var changes []change
	for {
		changes = p.take(changes)
		for i, c := range changes {
			c.apply(p.ledger, time.Now())
			changes[i] = change{}
		}
		wait, next := p.ledger.turn(time.Now())
		if next != nil {
			p.jobs <- *next // has room: the ledger waits for the outcome of the last job
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-timer.C:
		case <-p.later:
			timer.Reset(min(wait, gather))
			select {
			case <-ctx.Done():
				return nil
			case <-p.wake:
			case <-timer.C:
			}
		}
	}
}

// Failures counts the calls of the board that have failed.
func (p *Presence) Failures() int64 {
	if p == nil {
		return 0
	}
	return p.faults.Failures()
}

// useBoard does the jobs of the ledger until ctx ends.
func (p *Presence) useBoard(ctx context.Context) {
	used := false
	for {
		select {
		case <-ctx.Done():
			if !used {
				return
			}
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
			defer cancel()
			_ = p.board.Withdraw(ending, p.id) // without it, the end of the lease has the same effect
			return
		case j := <-p.jobs:
			used = used || j.report != nil
			done, err := j.do(ctx, p.board, p.id)
			if ctx.Err() == nil {
				p.faults.Note(ctx, err)
			}
			p.do(done)
		}
	}
}
