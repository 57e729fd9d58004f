package stream

import (
	"context"
	"math/rand/v2"
	"time"
)

// drainPace is how long readers are given to move, each: a handful is gone at once, and
// thousands spread over as much of the window as they need.
const drainPace = time.Millisecond

// Drain ends all subscriptions, one after another over the window at most, so that
// those who come back elsewhere don't come all at once; new ones are refused with
// ErrClosed. It returns when all are gone, or ctx ends, and has closed the hub then.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	defer h.Close()
	readers := 0
	for _, sh := range h.shards {
		readers += sh.readers()
	}
	window = min(window, time.Duration(readers)*drainPace)
	h.mu.Lock()
	h.closed, h.draining = true, window
	h.mu.Unlock()
	for _, sh := range h.shards {
		sh.drain(window)
	}
	look := time.NewTicker(wheelSlot)
	defer look.Stop()
	for end := h.now() + window + wheelSlot; h.now() < end; {
		left := 0
		for _, sh := range h.shards {
			left += sh.readers()
		}
		if left == 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// window is over how long the hub drains; 0 when it doesn't.
func (h *Hub) window() time.Duration {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.draining
}

func (sh *shard) readers() int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.size
}

// drain gives each subscription a time to end at.
func (sh *shard) drain(window time.Duration) {
	now := sh.hub.now()
	sh.mu.Lock()
	for s := range sh.allLocked() {
		if s.entry.drainAt == 0 {
			s.entry.drainAt = now + 1 + rand.N(window+1)
			sh.wheel.set(s, s.entry.drainAt)
		}
	}
	sh.mu.Unlock()
	sh.wake()
}
