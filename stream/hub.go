package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Sentinels of the hub.
var (
	// ErrClosed: the hub stops. Subscribe elsewhere, from the last cursor.
	ErrClosed = errors.New("hub is closed")
	// ErrNotReady: the hub has not read the log yet. Try again shortly.
	ErrNotReady = errors.New("hub is not ready")
)

// HubConfig sets a [Hub]. The zero value has the defaults.
type HubConfig struct {
	// RingEvents and RingBytes bound the recent events that are kept in memory for
	// readers that resume. Default 10,000 events and 32 MiB, whichever is less.
	RingEvents int
	RingBytes  int
	// Backlog is how many frames a live reader may leave waiting before it holds a
	// position instead and reads on from the ring. Default 256.
	Backlog int
	// Batch is how many events are read from the log at once. Default 1,000.
	Batch int
	// Replays is how many readers may read the log at the same time; the others
	// wait for their turn. Default 4.
	Replays int
	// Tick is how often the log is read though no doorbell rang. Default 5 s.
	Tick time.Duration
	// Logger reports what an operator should know. Default: discard.
	Logger *slog.Logger
}

func (c HubConfig) withDefaults() HubConfig {
	c.RingEvents = orDefault(c.RingEvents, 10_000)
	c.RingBytes = orDefault(c.RingBytes, 32<<20)
	c.Backlog = orDefault(c.Backlog, 256)
	c.Batch = orDefault(c.Batch, 1_000)
	c.Replays = orDefault(c.Replays, 4)
	c.Tick = orDefault(c.Tick, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// A Hub follows the log and hands its events to subscriptions. All methods may be
// called from any goroutine; none blocks but Run.
type Hub struct {
	log     Log
	cfg     HubConfig
	wake    chan struct{} // a doorbell; those that ring during a read fold into one
	replays chan struct{} // holds a token for each reader that reads the log

	// mu guards what follows, and the state of every subscription. Nothing is read,
	// written or encoded under it.
	mu     sync.Mutex
	ring   ring
	head   Cursor // everything up to it was read and handed out
	state  State  // as of the last read
	breaks int    // how often the log broke off, or began a new epoch
	loaded bool
	closed bool
	err    error // of the last read
	topics map[Topic]map[*Subscription]struct{}
}

// NewHub makes a hub that follows the log once it runs.
func NewHub(log Log, cfg HubConfig) *Hub {
	cfg = cfg.withDefaults()
	return &Hub{
		log:     log,
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		replays: make(chan struct{}, cfg.Replays),
		ring:    ring{maxFrames: cfg.RingEvents, maxBytes: cfg.RingBytes},
		topics:  make(map[Topic]map[*Subscription]struct{}),
	}
}

// Wake tells the hub that the log may have grown.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// Run follows the log until ctx ends, then closes the hub and returns nil. A log
// that cannot be read is tried again at the next doorbell or after a second;
// subscriptions wait meanwhile and lose nothing.
func (h *Hub) Run(ctx context.Context) error {
	defer h.Close()
	for {
		err := h.catchUp(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.note(ctx, err)
		pause := h.cfg.Tick
		if err != nil {
			pause = min(pause, time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-time.After(pause):
		}
	}
}

// note keeps the outcome of a read for Status, and logs when it changes.
func (h *Hub) note(ctx context.Context, err error) {
	h.mu.Lock()
	before := h.err
	h.err = err
	h.mu.Unlock()
	switch {
	case err != nil && before == nil:
		h.cfg.Logger.WarnContext(ctx, "log cannot be read", "err", err)
	case err == nil && before != nil:
		h.cfg.Logger.InfoContext(ctx, "log is read again")
	}
}

// catchUp reads the log up to its head.
func (h *Hub) catchUp(ctx context.Context) error {
	if !h.isLoaded() {
		if err := h.load(ctx); err != nil {
			return err
		}
	}
	for {
		from := h.Head()
		batch, err := h.log.Read(ctx, Query{After: from.Position, Limit: h.cfg.Batch})
		if err != nil {
			return err
		}
		if gap := batch.State.Judge(from); gap != nil {
			h.cfg.Logger.WarnContext(ctx, "log broke off", "reason", gap.Reason, "from", gap.From.String(), "resumed", gap.Resumed.String())
			h.restart(batch.State)
			continue
		}
		h.apply(batch, encode(batch.Events))
		if batch.Through == batch.State.Head {
			return nil
		}
	}
}

// load prepares the ring: catchUp then fills it before anyone subscribes.
func (h *Hub) load(ctx context.Context) error {
	batch, err := h.log.Read(ctx, Query{Limit: 1})
	if err != nil {
		return err
	}
	after := max(batch.State.Floor, batch.State.Head-int64(h.cfg.RingEvents))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.reset(after)
	h.head = batch.State.Cursor(after)
	return nil
}

func encode(events []Event) []*Frame {
	frames := make([]*Frame, len(events))
	for i, e := range events {
		frames[i] = NewFrame(e)
	}
	return frames
}

// apply hands a batch out and moves the head past it.
func (h *Hub) apply(batch Batch, frames []*Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if batch.State.newest() != h.state.newest() {
		h.renew(batch.State)
	}
	for _, f := range frames {
		h.ring.push(f)
		for s := range h.topics[f.Topic] {
			s.offer(f)
		}
	}
	h.head = batch.State.Cursor(batch.Through)
	h.state = batch.State
	if batch.Through == batch.State.Head {
		h.loaded = true
	}
}

// renew is for an epoch that begins where the hub is: who has seen more than the hub,
// from the log or another instance, may have seen what is lost, and judges its cursor.
func (h *Hub) renew(state State) {
	h.breaks++
	for _, subscribers := range h.topics {
		for s := range subscribers {
			if s.live && s.cursor.Position > state.endOf(s.cursor.Epoch) {
				s.fallBehind()
			}
		}
	}
}

// restart begins anew at the head of a log that broke off. Each subscription is
// behind now, and judges its own cursor: it resumes exactly where it can.
func (h *Hub) restart(state State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.reset(state.Head)
	h.head = state.HeadCursor()
	h.state = state
	h.breaks++
	for _, subscribers := range h.topics {
		for s := range subscribers {
			s.fallBehind()
		}
	}
}

// Broadcast hands an ephemeral event to whoever is live. A newer one of the same
// topic and name replaces one that still waits.
func (h *Hub) Broadcast(e Event) {
	e.Cursor = Cursor{}
	f := NewFrame(e)
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.topics[e.Topic] {
		s.offerState(f)
	}
}

// Subscribe begins a subscription; its owner must Close it. It returns ErrClosed or
// ErrNotReady. A cursor that is gone is told by the first Next.
func (h *Hub) Subscribe(topics []Topic, start Start) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case !h.loaded:
		return nil, ErrNotReady
	}
	s := &Subscription{hub: h, topics: topics, ready: make(chan struct{}, 1)}
	switch start.where {
	case now:
		s.cursor, s.live = h.head, true
	case earliest:
		s.cursor, s.fromFloor = h.state.Cursor(h.state.Floor), true
	case at:
		s.cursor = start.cursor
	}
	for _, t := range topics {
		if h.topics[t] == nil {
			h.topics[t] = make(map[*Subscription]struct{})
		}
		h.topics[t][s] = struct{}{}
	}
	return s, nil
}

func (h *Hub) remove(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range s.topics {
		delete(h.topics[t], s)
		if len(h.topics[t]) == 0 {
			delete(h.topics, t)
		}
	}
}

// Close ends every subscription with ErrClosed and refuses new ones. It may be
// called more than once.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, subscribers := range h.topics {
		for s := range subscribers {
			s.signal()
		}
	}
}

// Head is the cursor of the last event handed out.
func (h *Hub) Head() Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

func (h *Hub) isLoaded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded
}

// Err says why the hub does not deliver at the moment: ErrNotReady, ErrClosed, or
// the error of the last read of the log. It is nil when all is well.
func (h *Hub) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrClosed
	case h.err != nil:
		return h.err
	case !h.loaded:
		return ErrNotReady
	}
	return nil
}
