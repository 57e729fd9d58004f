package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sweepFrom is the number of buckets from which full ones are removed.
const sweepFrom = 10_000

// Rates holds a token bucket for each key. Its memory is bounded by the number of keys
// that were active within the time in which a bucket fills. It is safe for concurrent
// use. A nil Rates allows everything.
type Rates struct {
	rate Rate

	mu      sync.Mutex // guards buckets and swept
	buckets map[string]*rate.Limiter
	swept   time.Time
}

// NewRates makes buckets of one rate. A new bucket is full.
func NewRates(r Rate) *Rates {
	return &Rates{rate: r, buckets: make(map[string]*rate.Limiter)}
}

// Allow takes a token from the key's bucket and reports whether there was one.
func (r *Rates) Allow(key string) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.buckets[key]
	if bucket == nil {
		r.sweepLocked()
		bucket = rate.NewLimiter(rate.Limit(r.rate.PerSecond), r.rate.Burst)
		r.buckets[key] = bucket
	}
	return bucket.Allow()
}

// sweepLocked removes full buckets, at most once a second: a bucket that is made again
// later is full as well. The caller holds mu.
func (r *Rates) sweepLocked() {
	now := time.Now()
	if len(r.buckets) < sweepFrom || now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	for key, bucket := range r.buckets {
		if bucket.TokensAt(now) >= float64(r.rate.Burst) {
			delete(r.buckets, key)
		}
	}
}
