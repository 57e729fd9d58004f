package verify

import (
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestHistogram_GivesPercentilesToTwoPercent(t *testing.T) {
	t.Parallel()
	h := &histogram{}
	streamtest.Want(t, "the latency of an empty histogram", h.latency(), Latency{})
	for i := range 1000 {
		h.add(int64(time.Duration(i+1) * time.Millisecond))
	}
	for p, want := range map[float64]float64{50: 500, 99: 990, 100: 1000} {
		if got := float64(h.percentile(p).Milliseconds()); got < want*0.98 || got > want*1.03 {
			t.Errorf("percentile %v is %v ms, want about %v", p, got, want)
		}
	}
	streamtest.Want(t, "the maximum", h.max, int64(time.Second))
}
