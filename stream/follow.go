package stream

import (
	"context"
	"time"
)

// One goroutine of a hub follows the log: it reads the new events and gives each batch to
// the ring and the shards.

// follow reads the log after each call of Wake, at the latest after Tick. After a read that
// returned many events it waits until Gather has passed since that read began.
func (h *Hub) follow(ctx context.Context) {
	for {
		began, before := time.Now(), h.events // only this goroutine changes events
		err := h.catchUp(ctx)
		if ctx.Err() != nil {
			return
		}
		h.follows.Note(ctx, err)
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

// few is the number of events that one write causes: a comment, its count and two
// notifications.
const few = 4

// gather waits until Gather has passed since the time began.
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

// catchUp reads the log up to its head.
func (h *Hub) catchUp(ctx context.Context) error {
	if !h.isLoaded() {
		if err := h.load(ctx); err != nil {
			return err
		}
	}
	for {
		from, at := h.Head(), h.now() // only this goroutine moves the head
		batch, err := h.log.Read(ctx, Query{After: from.Position, Limit: h.cfg.Batch})
		if err != nil {
			return err
		}
		if gap := batch.State.Judge(from); gap != nil {
			h.cfg.Logger.WarnContext(ctx, "log broke off", "reason", gap.Reason, "from", gap.From.String(), "resumed", gap.Resumed.String())
			h.restart(batch.State)
			continue
		}
		h.apply(batch, encode(batch), at)
		if batch.Through == batch.State.Head {
			return nil
		}
	}
}

// load sets the position at which the ring begins. catchUp then fills the ring, before the
// first subscription is accepted.
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

// encode makes the frames of a batch.
func encode(batch Batch) []*Frame {
	frames := make([]*Frame, len(batch.Events))
	for i, e := range batch.Events {
		frames[i] = newFrame(e, batch.State.Head)
	}
	return frames
}

// apply appends a batch, whose read began at a time, to the ring, offers it to each shard and
// moves the head past it.
func (h *Hub) apply(batch Batch, frames []*Frame, at time.Duration) {
	head := batch.State.Cursor(batch.Through)
	h.mu.Lock()
	renewed := batch.State.newest() != h.state.newest()
	if renewed {
		h.breaks++
	}
	for _, f := range frames {
		h.ring.push(f)
	}
	h.read, h.tip, h.state, h.events = at, head, batch.State, h.events+int64(len(frames))
	if h.loaded && len(frames) > 0 && !frames[0].Committed.IsZero() { // the events that the start loads are old
		h.lag = max(0, time.Since(frames[0].Committed))
	}
	breaks := h.breaks
	h.mu.Unlock()
	changed := h.texts.follow(frames)
	for _, sh := range h.shards {
		if renewed {
			sh.renew(batch.State, breaks)
		}
		sh.offer(frames, head)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.recount(changed)
	h.head = head
	if batch.Through == batch.State.Head {
		h.loaded = true
	}
}

// restart continues at the head of a log that does not have the hub's position any more.
// Each subscription falls behind, and its cursor is judged again: it resumes exactly if that
// is possible, and gets a gap otherwise.
func (h *Hub) restart(state State) {
	h.mu.Lock()
	h.ring.reset(state.Head)
	h.head = state.HeadCursor()
	h.tip, h.state = h.head, state
	h.breaks++
	head, breaks := h.head, h.breaks
	h.mu.Unlock()
	h.texts.reset()
	for _, sh := range h.shards {
		sh.restart(head, breaks)
	}
}

func (h *Hub) isLoaded() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.loaded
}
