package verify

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Each stream gets as many events as the burst has, so a comparison of totals finds
// nothing.
func TestBurst_FindsFaultsThatDoNotChangeTheTotal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sent []int64 // numbers of the writes in the order of the stream; write n has the position n
		want Faults
	}{
		"AllOnce":             {[]int64{11, 12, 13, 14}, Faults{}},
		"OneLostOneTwice":     {[]int64{11, 12, 12, 14}, Faults{Lost: 1, Duplicated: 1}},
		"OneLostOneInvented":  {[]int64{11, 12, 13, 99}, Faults{Lost: 1, Invented: 1}},
		"TwoLostOneThreefold": {[]int64{11, 11, 11, 14}, Faults{Lost: 2, Duplicated: 2}},
		"TwoSwapped":          {[]int64{11, 13, 12, 14}, Faults{Reordered: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprint(w, "event: stream.ready\nid: 1-1\ndata: {}\n\n")
				for _, n := range tt.sent {
					fmt.Fprintf(w, "event: %s\ntopic: post:p\nid: 1-%d\ndata: {\"n\":%d,\"to\":\"post:p\"}\n\n", nameBurst, n, n)
				}
				fmt.Fprintf(w, "event: %s\ntopic: post:p\nid: 1-15\ndata: {\"n\":15,\"to\":\"post:p\"}\n\n", nameBurstEnd)
			}))
			t.Cleanup(server.Close)
			c, err := client.New(server.URL)
			streamtest.Must(t, err)
			r := newBurstReader("instance-0", c, "post:p")
			r.run(t.Context(), func() {}, make(chan error, 1))
			i := &injector{run: &run{findings: &findings{}, writes: newWriteLog()}}
			i.run.writes.addMany(15)
			i.checkBurst(r, []int64{11, 12, 13, 14})
			got, notes := i.run.findings.sum()
			if got != tt.want {
				t.Errorf("got %+v, want %+v\n%q", got, tt.want, notes)
			}
		})
	}
}
