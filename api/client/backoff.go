package client

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	backoffBase     = 250 * time.Millisecond
	backoffCeiling  = 30 * time.Second
	backoffDoubling = 7 // by then the ceiling is reached
)

// backoff spaces attempts: what the server asked for, and on top a random time
// (full jitter) from a range that doubles with each failure. The random part is
// never left out: clients told the same time would all come back together.
type backoff struct {
	failures int
	floor    time.Duration // the last retry: field; it stays until there is another
}

// next returns how long to wait after err, and counts it as a failure.
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

// reset is for an attempt that brought something.
func (b *backoff) reset() { b.failures = 0 }
