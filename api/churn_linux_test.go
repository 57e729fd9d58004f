package api

import (
	"bufio"
	"net"
	"runtime"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Readers that come and go leave no goroutines and nothing on the heap.
func TestChurnLeavesNothingBehind(t *testing.T) {
	r := newRig(t, limited(Limits{NoRates: true})) // not parallel: it counts objects and goroutines of the process
	churn := func(n int) {
		for range n {
			conn, err := net.Dial("tcp", r.addr)
			streamtest.Must(t, err)
			w := &wire{TCPConn: conn.(*net.TCPConn), t: t, r: bufio.NewReader(conn)}
			w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
			w.head()
			w.chunk()
			streamtest.Must(t, w.SetLinger(0)) // Close then resets the connection
			streamtest.Must(t, w.Close())
		}
		r.idle(t)
	}
	measure := func() (objects uint64, goroutines int) {
		var memory runtime.MemStats
		for range 3 { // a sync.Pool keeps its objects for two collections
			runtime.GC()
		}
		runtime.ReadMemStats(&memory)
		return memory.HeapObjects, runtime.NumGoroutine()
	}
	churn(400) // makes the objects that are made once
	objects, goroutines := measure()
	const many = 1000
	churn(many)
	streamtest.Eventually(t, "the readers have left nothing behind", func() bool {
		moreObjects, moreGoroutines := measure()
		return moreObjects <= objects+many/4 && moreGoroutines <= goroutines+10
	})
}
