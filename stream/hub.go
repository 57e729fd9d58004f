package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/stream/faults"
	"github.com/tidings-live/tidings/stream/internal/conn"
)

// The errors of a hub.
var (
	// ErrClosed: the hub stops. Subscribe to another instance, from the last cursor.
	ErrClosed = errors.New("hub is closed")
	// ErrNotReady: the hub has not read the log yet. Try again shortly.
	ErrNotReady = errors.New("hub is not ready")
	// ErrUnreadable: the past events of a reader that is behind cannot be read from the
	// log. The error of the log is in the same tree. Try again shortly.
	ErrUnreadable = errors.New("past events cannot be read")
)

// A Hub follows the log and delivers its events to subscriptions. All methods may be called
// from any goroutine. Only Run and Drain block.
type Hub struct {
	log     Log
	cfg     HubConfig
	now     func() time.Duration // time since the hub was made; a change of the system's clock does not affect it
	wake    chan struct{}        // holds a token after a call of Wake
	shards  []*shard
	joined  atomic.Uint64 // subscriptions so far; each gets the next shard
	replays *replays
	reads   atomic.Int64 // reads of the log for readers that are behind
	follows *faults.Work // reads of new events
	poller  *conn.Poller
	texts   *textIndex // the frames in memory that have the text of a comment

	// mu guards the fields below. Nothing is read, written or encoded under it. It is never
	// held together with the lock of a shard.
	mu       sync.RWMutex
	ring     ring
	state    State         // state of the log at the last read
	breaks   int           // number of restarts and new epochs
	events   int64         // number of events read
	lag      time.Duration // time from the last commit until its event was read
	tip      Cursor        // every event up to it is or was in the ring
	head     Cursor        // every event up to it was offered to every shard
	loaded   bool
	closed   bool
	draining time.Duration // the window of Drain; 0: the hub does not drain
	read     time.Duration // when the last read that succeeded began
}

// NewHub returns a hub that follows the log while Run runs.
func NewHub(log Log, cfg HubConfig) *Hub {
	cfg = cfg.withDefaults()
	h := &Hub{
		log:    log,
		cfg:    cfg,
		now:    since(time.Now()),
		wake:   make(chan struct{}, 1),
		ring:   newRing(cfg.RingEvents, cfg.RingBytes),
		poller: conn.NewPoller(),
		texts:  newTextIndex(),
	}
	h.follows = faults.New(cfg.Logger, "log cannot be read", "log is read again")
	h.replays = newReplays(h)
	for range cfg.Shards {
		h.shards = append(h.shards, newShard(h))
	}
	return h
}

// since returns a clock that shows the time since began.
func since(began time.Time) func() time.Duration {
	return func() time.Duration { return time.Since(began) }
}

// Patience is HubConfig.Patience.
func (h *Hub) Patience() time.Duration { return h.cfg.Patience }

// Wake tells the hub that the log may have grown. The listener calls it for each doorbell.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default: // a token is already there
	}
}

// Run follows the log until ctx ends, then closes the hub, ends the remaining readers and
// returns nil. It returns an error if the sockets of readers cannot be watched any more. If
// a read of the log fails, Run tries again at the next call of Wake or after a second.
// Subscriptions wait meanwhile and lose nothing.
func (h *Hub) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var serving sync.WaitGroup
	var watching error
	serving.Go(func() {
		if watching = h.poller.Run(ctx); watching != nil {
			stop()
		}
	})
	for range h.cfg.Replays {
		serving.Go(func() { h.replays.run(ctx) })
	}
	serving.Go(func() { h.replays.retry(ctx) })
	for _, sh := range h.shards {
		serving.Go(func() { sh.run(ctx) })
	}
	h.follow(ctx)
	stop()
	h.Close()
	serving.Wait()
	return watching
}

// Broadcast sends an ephemeral event to the readers that are live. The event replaces an
// older one of the same topic and name that still waits for a reader. It has no cursor.
func (h *Hub) Broadcast(e Event) {
	e.Cursor = Cursor{}
	f := NewFrame(e)
	for _, sh := range h.shards {
		sh.broadcast(f)
	}
}

// Subscribe begins a subscription, which the caller must close. It returns ErrClosed or
// ErrNotReady. The first Next reports a cursor that is gone.
func (h *Hub) Subscribe(topics []Topic, start Start) (*Subscription, error) {
	s := &Subscription{transport: Poll, ready: make(chan struct{}, 1)}
	s.backlog.all = true
	if err := h.join(s, topics, start); err != nil {
		return nil, err
	}
	return s, nil
}

// join adds a subscription to a shard.
func (h *Hub) join(s *Subscription, topics []Topic, start Start) error {
	h.mu.RLock()
	loaded, closed, floor := h.loaded, h.closed, h.state.Floor
	earliest := Cursor{}
	if loaded {
		earliest = h.state.Cursor(floor)
	}
	h.mu.RUnlock()
	sh := h.shards[h.joined.Add(1)%uint64(len(h.shards))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case closed || sh.closed:
		return ErrClosed
	case !loaded:
		return ErrNotReady
	}
	s.shard = sh
	s.at.begin(start, sh.head, earliest)
	sh.addLocked(s, topics)
	return nil
}

// Close ends every subscription with ErrClosed and refuses new ones. It may be called more
// than once.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	for _, sh := range h.shards {
		sh.close()
	}
}

// Head returns the cursor of the last event that was offered to all shards; zero before the
// first read.
func (h *Hub) Head() Cursor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.head
}

// Err returns the reason why the hub does not deliver now: ErrNotReady, ErrClosed, or the
// error of the last read of the log, either of new events or of past ones (then with
// ErrUnreadable). It returns nil if the hub delivers.
func (h *Hub) Err() error {
	h.mu.RLock()
	loaded, closed := h.loaded, h.closed
	h.mu.RUnlock()
	following := h.follows.Err()
	switch {
	case closed:
		return ErrClosed
	case following != nil:
		return following
	case !loaded:
		return ErrNotReady
	}
	if err := h.replays.faults.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil
}
