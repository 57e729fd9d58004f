package limit

import (
	"sync"
	"time"
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

	mu      sync.Mutex // guards buckets, what they hold, and swept
	buckets map[string]*bucket
	swept   time.Time
}

// A bucket has tokens as of a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// NewRates makes buckets of one rate. A new bucket is full.
func NewRates(r Rate) *Rates {
	return &Rates{rate: r, buckets: make(map[string]*bucket)}
}

// Allow takes a token from the key's bucket and reports whether there was one.
func (r *Rates) Allow(key string) bool { return r.Take(key) == 0 }

// Take takes a token from the key's bucket. If there is none, it returns how long it takes
// until there is one.
func (r *Rates) Take(key string) (wait time.Duration) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucketLocked(key)
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return max(time.Duration((1-b.tokens)/r.rate.PerSecond*float64(time.Second)), 1)
}

// Return puts a token back that Take has taken.
func (r *Rates) Return(key string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucketLocked(key)
	b.tokens = min(b.tokens+1, float64(r.rate.Burst))
}

// bucketLocked returns the bucket of a key as of now, and makes it if there is none. The
// caller holds mu.
func (r *Rates) bucketLocked(key string) *bucket {
	now := time.Now()
	if b := r.buckets[key]; b != nil {
		r.fill(b, now)
		return b
	}
	r.sweepLocked(now)
	if len(r.buckets) >= mostBuckets && key != "" {
		return r.bucketLocked("")
	}
	b := &bucket{tokens: float64(r.rate.Burst), at: now}
	r.buckets[key] = b
	return b
}

// fill adds the tokens for the time that has passed.
func (r *Rates) fill(b *bucket, now time.Time) {
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*r.rate.PerSecond, float64(r.rate.Burst))
	b.at = now
}

// sweepLocked removes full buckets, at most once a second: a bucket that is made again
// later is full as well. The caller holds mu.
func (r *Rates) sweepLocked(now time.Time) {
	if len(r.buckets) < sweepFrom || now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	for key, b := range r.buckets {
		if r.fill(b, now); b.tokens >= float64(r.rate.Burst) {
			delete(r.buckets, key)
		}
	}
}
