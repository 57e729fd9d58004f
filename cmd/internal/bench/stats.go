package bench

import (
	"math"
	"slices"
	"time"
)

// A Summary is what a set of durations comes to, in milliseconds. Percentiles
// are exact: the least sample that so many of all samples don't exceed.
type Summary struct {
	Count int     `json:"count"`
	Min   float64 `json:"minMs"`
	Mean  float64 `json:"meanMs"`
	P50   float64 `json:"p50Ms"`
	P90   float64 `json:"p90Ms"`
	P99   float64 `json:"p99Ms"`
	P999  float64 `json:"p999Ms"`
	Max   float64 `json:"maxMs"`
}

// summarize sorts the samples.
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
		P99:   milliseconds(percentile(samples, 99)),
		P999:  milliseconds(percentile(samples, 99.9)),
		Max:   milliseconds(samples[len(samples)-1]),
	}
}

// percentile is the nearest rank in samples that are sorted, of which there is one
// at least.
func percentile(sorted []time.Duration, p float64) time.Duration {
	// p/100 first would make rank 300 of 300 out of 99.0000000001 %.
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

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

// ratioOf is a/b, 0 when there is nothing to compare with.
func ratioOf(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// microsEach is how much of d falls to one of n, in microseconds.
func microsEach(d time.Duration, n int64) float64 {
	return ratioOf(float64(d)/float64(time.Microsecond), float64(n))
}
