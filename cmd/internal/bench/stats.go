package bench

import (
	"math"
	"slices"
	"time"
)

// A Summary describes a set of durations, in milliseconds. Percentiles are exact, by the
// nearest rank: P99 is the least sample that at least 99 % of the samples do not exceed.
type Summary struct {
	Count int     `json:"count"`
	Min   float64 `json:"minMs"`
	Mean  float64 `json:"meanMs"`
	P50   float64 `json:"p50Ms"`
	P90   float64 `json:"p90Ms"`
	P95   float64 `json:"p95Ms"`
	P99   float64 `json:"p99Ms"`
	P999  float64 `json:"p999Ms"`
	Max   float64 `json:"maxMs"`
}

// summarize sorts the samples and summarizes them. The summary of no samples is zero.
func summarize(samples []time.Duration) Summary {
	if len(samples) == 0 {
		return Summary{}
	}
	slices.Sort(samples)
	var sum float64
	for _, s := range samples {
		sum += milliseconds(s)
	}
	return Summary{
		Count: len(samples),
		Min:   milliseconds(samples[0]),
		Mean:  sum / float64(len(samples)),
		P50:   milliseconds(percentile(samples, 50)),
		P90:   milliseconds(percentile(samples, 90)),
		P95:   milliseconds(percentile(samples, 95)),
		P99:   milliseconds(percentile(samples, 99)),
		P999:  milliseconds(percentile(samples, 99.9)),
		Max:   milliseconds(samples[len(samples)-1]),
	}
}

// percentile returns the nearest rank of at least one sample.
func percentile(sorted []time.Duration, p float64) time.Duration {
	// Dividing first would round 99 % of 300 up to rank 298.
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// milliseconds returns d with fractions of a millisecond.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// medianOf returns the median of at least one value: the mean of the two in the middle
// if their number is even.
func medianOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratioOf returns a/b, or 0 if b is 0.
func ratioOf(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// microsEach returns d/n in microseconds, or 0 if n is 0.
func microsEach(d time.Duration, n int64) float64 {
	return ratioOf(float64(d)/float64(time.Microsecond), float64(n))
}
