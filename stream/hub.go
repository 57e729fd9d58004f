package stream

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/stream/internal/conn"
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
	// position instead and reads on from the ring. Default 1,024.
	Backlog int
	// Shards is how many workers write to streams, each to its share of them. Default:
	// one a processor.
	Shards int
	// Batch is how many events are read from the log at once. Default 1,000.
	Batch int
	// Replays is how many readers may read the log at the same time; the others
	// wait for their turn. Default 4.
	Replays int
	// Gather is the least time from a read of the log that brought more than a few events
	// to the next, so that what many writers write is delivered together. Default 4 ms;
	// less than nothing: none.
	Gather time.Duration
	// Tick is how often the log is read though no doorbell rang. Default 5 s.
	Tick time.Duration
	// Patience is how long the socket of a reader may take nothing of what waits for it
	// before the reader is cut; it resumes from its cursor. One that takes a little, but
	// three times as long for a part of 32 KiB, is told so before it ends. Default 10 s.
	Patience time.Duration
	// Logger reports what an operator should know. Default: discard.
	Logger *slog.Logger
}

func (c HubConfig) withDefaults() HubConfig {
	c.RingEvents = orDefault(c.RingEvents, 10_000)
	c.RingBytes = orDefault(c.RingBytes, 32<<20)
	c.Backlog = orDefault(c.Backlog, 1_024)
	c.Shards = orDefault(c.Shards, runtime.GOMAXPROCS(0))
	c.Batch = orDefault(c.Batch, 1_000)
	c.Replays = orDefault(c.Replays, 4)
	if c.Gather == 0 {
		c.Gather = 4 * time.Millisecond
	}
	c.Tick = orDefault(c.Tick, 5*time.Second)
	c.Patience = orDefault(c.Patience, 10*time.Second)
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
// called from any goroutine; none blocks but Run and Drain.
type Hub struct {
	log     Log
	cfg     HubConfig
	now     func() time.Duration // its own clock, which no change of the system's touches
	wake    chan struct{}        // a doorbell; those that ring during a read fold into one
	shards  []*shard
	joined  atomic.Uint64 // subscriptions so far: they take the shards in turn
	replays *replays
	reads   atomic.Int64 // of the log, for readers that were behind
	poller  *conn.Poller

	// mu guards what follows. Nothing is read, written or encoded under it.
	mu       sync.RWMutex
	ring     ring
	state    State         // as of the last read
	breaks   int           // how often the log broke off, or began a new epoch
	events   int64         // read so far
	lag      time.Duration // from a commit until it was read here, the last time
	tip      Cursor        // everything up to it is in the ring
	head     Cursor        // everything up to it was handed to every shard
	loaded   bool
	closed   bool
	draining time.Duration // over how long
	err      error         // of the last read
}

// NewHub makes a hub that follows the log once it runs.
func NewHub(log Log, cfg HubConfig) *Hub {
	cfg = cfg.withDefaults()
	h := &Hub{
		log:    log,
		cfg:    cfg,
		now:    since(time.Now()),
		wake:   make(chan struct{}, 1),
		ring:   newRing(cfg.RingEvents, cfg.RingBytes),
		poller: conn.NewPoller(),
	}
	h.replays = newReplays(h)
	for range cfg.Shards {
		h.shards = append(h.shards, newShard(h))
	}
	return h
}

// since is the clock of what began then.
func since(began time.Time) func() time.Duration {
	return func() time.Duration { return time.Since(began) }
}

// Patience is how long a reader's connection may take nothing of what waits for it.
func (h *Hub) Patience() time.Duration { return h.cfg.Patience }

// Wake tells the hub that the log may have grown.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// Run follows the log until ctx ends, then closes the hub, ends what it still serves
// and returns nil. A log that cannot be read is tried again at the next doorbell or
// after a second; subscriptions wait meanwhile and lose nothing.
func (h *Hub) Run(ctx context.Context) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer h.Close()
	serving.Go(func() { h.poller.Run(ctx) })
	for range h.cfg.Replays {
		serving.Go(func() { h.replays.run(ctx) })
	}
	for _, sh := range h.shards {
		serving.Go(func() { sh.run(ctx) })
	}
	h.follow(ctx)
	return nil
}

// follow reads the log whenever a doorbell rings: at once while it brings few events, as
// those of one writer after the other; together with what comes next when there are many.
func (h *Hub) follow(ctx context.Context) {
	for {
		began, before := time.Now(), h.events // nobody else counts them
		err := h.catchUp(ctx)
		if ctx.Err() != nil {
			return
		}
		h.note(ctx, err)
		pause := h.cfg.Tick
		if err != nil {
			pause = min(pause, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
			if h.events-before > few {
				h.gather(ctx, began)
			}
		case <-time.After(pause):
		}
	}
}

// few events are what one write brings: a comment, its count, and who is notified.
const few = 4

// gather waits until the time of gathering has passed since a read began.
func (h *Hub) gather(ctx context.Context, began time.Time) {
	left := h.cfg.Gather - time.Since(began)
	if left <= 0 {
		return
	}
	select {
	case <-time.After(left):
	case <-ctx.Done():
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
		from := h.Head() // nobody else moves it
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
	h.tip = h.head
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
	head := batch.State.Cursor(batch.Through)
	h.mu.Lock()
	renewed := batch.State.newest() != h.state.newest()
	if renewed {
		h.breaks++
	}
	for _, f := range frames {
		h.ring.push(f)
	}
	h.tip, h.state, h.events = head, batch.State, h.events+int64(len(frames))
	if h.loaded && len(frames) > 0 && !frames[0].Committed.IsZero() { // what is loaded at the start is old
		h.lag = max(0, time.Since(frames[0].Committed))
	}
	breaks := h.breaks
	h.mu.Unlock()
	for _, sh := range h.shards {
		if renewed {
			sh.renew(batch.State, breaks)
		}
		sh.offer(frames, head)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head = head
	if batch.Through == batch.State.Head {
		h.loaded = true
	}
}

// restart begins anew at the head of a log that broke off. Each subscription is
// behind now, and judges its own cursor: it resumes exactly where it can.
func (h *Hub) restart(state State) {
	h.mu.Lock()
	h.ring.reset(state.Head)
	h.head = state.HeadCursor()
	h.tip, h.state = h.head, state
	h.breaks++
	head, breaks := h.head, h.breaks
	h.mu.Unlock()
	for _, sh := range h.shards {
		sh.restart(head, breaks)
	}
}

// A find is what the ring has for a reader that is behind.
type find struct {
	frames  []*Frame
	reach   Cursor // of what was searched
	breaks  int    // the hub's at that moment
	covered bool   // otherwise only the log can tell what follows
}

// recent searches the ring for events of the topics after a cursor.
func (h *Hub) recent(from Cursor, topics []Topic) find {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if from.Position < h.ring.after || from.Position > min(h.tip.Position, h.state.endOf(from.Epoch)) {
		return find{reach: from, breaks: h.breaks}
	}
	frames, through, done := h.ring.scan(from.Position, topics)
	reach := h.tip
	if !done {
		reach = h.state.Cursor(through)
	}
	return find{frames: frames, reach: reach, breaks: h.breaks, covered: true}
}

// Broadcast hands an ephemeral event to whoever is live. A newer one of the same
// topic and name replaces one that still waits.
func (h *Hub) Broadcast(e Event) {
	e.Cursor = Cursor{}
	f := NewFrame(e)
	for _, sh := range h.shards {
		sh.broadcast(f)
	}
}

// Subscribe begins a subscription; its owner must Close it. It returns ErrClosed or
// ErrNotReady. A cursor that is gone is told by the first Next.
func (h *Hub) Subscribe(topics []Topic, start Start) (*Subscription, error) {
	s := &Subscription{transport: Poll, ready: make(chan struct{}, 1)}
	s.backlog.all = true
	if err := h.join(s, topics, start); err != nil {
		return nil, err
	}
	return s, nil
}

// join seats a subscription in a shard.
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

// Close ends every subscription with ErrClosed and refuses new ones. It may be
// called more than once.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	for _, sh := range h.shards {
		sh.close()
	}
}

// Head is the cursor of the last event handed out.
func (h *Hub) Head() Cursor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.head
}

func (h *Hub) isLoaded() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.loaded
}

// Err says why the hub does not deliver at the moment: ErrNotReady, ErrClosed, or
// the error of the last read of the log. It is nil when all is well.
func (h *Hub) Err() error {
	h.mu.RLock()
	defer h.mu.RUnlock()
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
