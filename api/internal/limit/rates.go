package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// sweepFrom is the number of buckets from which full ones are removed.
	sweepFrom = 10_000
	// mostBuckets bounds the buckets. Further keys share the bucket of the key "".
	mostBuckets = 100_000
)

// Rates holds a token bucket for each key, of at most mostBuckets keys that were active
// within the time in which a bucket fills. It is safe for concurrent use. A nil Rates
// allows everything.
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
	return r.bucketLocked(key).Allow()
}

// bucketLocked returns the bucket of a key, and makes it if there is none. The caller
// holds mu.
func (r *Rates) bucketLocked(key string) *rate.Limiter {
	if bucket := r.buckets[key]; bucket != nil {
		return bucket
	}
	r.sweepLocked()
	if len(r.buckets) >= mostBuckets && key != "" {
		return r.bucketLocked("")
	}
	bucket := rate.NewLimiter(rate.Limit(r.rate.PerSecond), r.rate.Burst)
	r.buckets[key] = bucket
	return bucket
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
