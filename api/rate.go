package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateKeys is how many keys a rates remembers before it forgets those at rest.
const rateKeys = 10_000

// rates bounds how often each key may do something: a token bucket each. Its memory
// is bounded by the keys that are active at once. A nil rates bounds nothing.
type rates struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex // guards buckets and swept
	buckets map[string]*rate.Limiter
	swept   time.Time
}

func newRates(perSecond float64, burst int) *rates {
	return &rates{limit: rate.Limit(perSecond), burst: burst, buckets: make(map[string]*rate.Limiter)}
}

// allow takes one token of the key, if it has one.
func (r *rates) allow(key string) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.buckets[key]
	if bucket == nil {
		r.sweep()
		bucket = rate.NewLimiter(r.limit, r.burst)
		r.buckets[key] = bucket
	}
	return bucket.Allow()
}

// sweep forgets full buckets, at most once a second, when there are many: a new one
// is just as full.
func (r *rates) sweep() {
	now := time.Now()
	if len(r.buckets) < rateKeys || now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	for key, bucket := range r.buckets {
		if bucket.TokensAt(now) >= float64(r.burst) {
			delete(r.buckets, key)
		}
	}
}
