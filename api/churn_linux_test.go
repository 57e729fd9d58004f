package api

import (
	"bufio"
	"net"
	"runtime"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Readers who come and go leave nothing behind, however many they are.
func TestChurnLeavesNothingBehind(t *testing.T) {
	r := newRig(t, limited(Limits{NoRates: true})) // not parallel: it counts what all hold
	churn := func(n int) (objects uint64, goroutines int) {
		for range n {
			conn, err := net.Dial("tcp", r.addr)
			streamtest.Must(t, err)
			w := &wire{conn.(*net.TCPConn), t, bufio.NewReader(conn)}
			w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
			w.head()
			w.chunk()
			streamtest.Must(t, w.SetLinger(0)) // without a word
			streamtest.Must(t, w.Close())
		}
		r.idle(t)
		var memory runtime.MemStats
		for range 3 { // pools keep things for two
			runtime.GC()
		}
		runtime.ReadMemStats(&memory)
		return memory.HeapObjects, runtime.NumGoroutine()
	}
	churn(100) // what is made once is no leak
	objects, goroutines := churn(500)
	const many = 2000
	moreObjects, moreGoroutines := churn(many)
	if moreObjects > objects+many/4 {
		t.Errorf("%d readers left %d objects on the heap", many, moreObjects-objects)
	}
	if moreGoroutines > goroutines+10 {
		t.Errorf("%d readers left %d goroutines", many, moreGoroutines-goroutines)
	}
}
