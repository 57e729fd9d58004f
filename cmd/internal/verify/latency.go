package verify

import (
	"math"
	"time"
)

// growth is the ratio of a bucket's upper and lower bound. It makes percentiles exact
// to two percent.
const growth = 1.02

// A Latency is the time from the answer to a writer until a reader had the event, in
// milliseconds. An event that arrived before the answer counts as 0.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50Ms"`
	P99   float64 `json:"p99Ms"`
	Max   float64 `json:"maxMs"`
}

// A histogram counts durations in buckets, in a constant amount of memory. It belongs
// to one goroutine.
type histogram struct {
	buckets []int64
	count   int64
	max     int64 // nanoseconds
}

// add adds a duration in nanoseconds.
func (h *histogram) add(d int64) {
	i := int(math.Log(float64(max(d, 1))) / math.Log(growth))
	if i >= len(h.buckets) {
		h.buckets = append(h.buckets, make([]int64, i+1-len(h.buckets))...)
	}
	h.buckets[i]++
	h.count++
	h.max = max(h.max, d)
}

// percentile returns the upper bound of the bucket that contains the p-th percentile,
// for p up to 100. It returns 0 if the histogram is empty.
func (h *histogram) percentile(p float64) time.Duration {
	rank := int64(math.Ceil(p / 100 * float64(h.count)))
	for i, n := range h.buckets {
		if rank -= n; rank <= 0 {
			return time.Duration(min(float64(h.max), math.Pow(growth, float64(i+1))))
		}
	}
	return 0
}

func (h *histogram) latency() Latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{h.count, ms(h.percentile(50)), ms(h.percentile(99)), ms(time.Duration(h.max))}
}
