package client

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	backoffBase     = 250 * time.Millisecond
	backoffCeiling  = 30 * time.Second
	backoffDoubling = 7 // 250 ms doubled 7 times is above the ceiling
)

// backoff computes the wait before each attempt: the time that the server asked for,
// plus a random time (full jitter) below a bound that doubles with each failure. The
// random part is always added, because clients that are given the same time by the
// server would otherwise all return together.
type backoff struct {
	failures int           // since the last reset
	floor    time.Duration // the newest retry: field of the stream; 0 until there is one
}

// next returns how long to wait after err, and counts err as a failure.
func (b *backoff) next(err error) time.Duration {
	spread := min(backoffCeiling, backoffBase<<min(b.failures, backoffDoubling))
	b.failures++
	floor := b.floor
	var p *Problem
	if errors.As(err, &p) {
		floor = max(floor, p.RetryAfter)
	}
	return floor + rand.N(spread)
}

// reset is called after an attempt that brought an event or moved the cursor.
func (b *backoff) reset() { b.failures = 0 }
