package stream

import (
	"context"
	"math/rand/v2"
	"time"
)

// drainPace is the time that each reader adds to the window of a drain, up to the window
// that the caller gives. 20 readers end within 20 ms, and 10,000 readers within 10 s.
const drainPace = time.Millisecond

// Drain ends all subscriptions at random times within the window, so that their readers do
// not all return to other instances at once. New subscriptions are refused with ErrClosed.
// Drain closes the hub and returns when all have ended, the window has passed or ctx ends.
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

// window is the time over which the hub drains; 0 if it does not drain.
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

// drain gives each subscription a random time to end at.
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
