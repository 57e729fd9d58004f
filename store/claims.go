package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidings-live/tidings/store/group"
)

// inFlightWait is how long a request waits for the outcome of an earlier one with the same
// key before it gets ErrInFlight.
const inFlightWait = 250 * time.Millisecond

// claims are the idempotency keys of this instance's requests. A comment that waits for a
// locked row waits in several short transactions, and between two of them the database does
// not know its key. So later requests with the key are not tried meanwhile.
type claims struct {
	mu     sync.Mutex // guards claims, and is held to close the channels of a claim
	claims map[group.Key]*claim
}

// A claim is the first request with a key that has no outcome yet.
type claim struct {
	write  *commentWrite
	ended  chan struct{} // closed when the request has an outcome
	locked chan struct{} // closed when the request waits for a locked row
}

// begin waits for an earlier request with the key of w. It returns ErrInFlight if that
// waits for a locked row, or has no outcome within inFlightWait. The caller calls end when
// w has an outcome.
func (c *claims) begin(ctx context.Context, w *commentWrite) (end func(), err error) {
	if w.IdempotencyKey == "" {
		return func() {}, nil
	}
	key := w.idempotencyKey()
	own := &claim{w, make(chan struct{}), make(chan struct{})}
	first := c.claim(key, own)
	if first == own {
		return func() { c.release(key, own) }, nil
	}
	select {
	case <-first.ended:
		return func() {}, nil
	case <-first.locked:
	case <-time.After(inFlightWait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return nil, ErrInFlight
}

// claim returns the claim of a key, which is own if there was none.
func (c *claims) claim(key group.Key, own *claim) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.claims[key] == nil {
		c.claims[key] = own
	}
	return c.claims[key]
}

func (c *claims) release(key group.Key, own *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.claims, key)
	close(own.ended)
}

// noteLocked notes that a request waits for a locked row, if err of its transaction says so.
func (c *claims) noteLocked(writes []group.Write, err error) {
	if len(writes) != 1 || !errors.Is(err, group.ErrLocked) {
		return
	}
	w, ok := writes[0].(*commentWrite)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.claims[w.idempotencyKey()]
	if first == nil || first.write != w {
		return
	}
	select {
	case <-first.locked: // closed before
	default:
		close(first.locked)
	}
}

// has reports whether a request with the key has no outcome yet.
func (c *claims) has(key group.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claims[key] != nil
}
