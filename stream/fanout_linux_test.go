package stream

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// BenchmarkFanOut delivers one event at a time to many readers over real sockets. The
// clients discard what they read.
func BenchmarkFanOut(b *testing.B) {
	for _, readers := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) { benchmarkFanOut(b, readers) })
	}
}

func benchmarkFanOut(b *testing.B, readers int) {
	log := padded{newMemoryLog(), large(200)}
	h := live(b, log, HubConfig{})
	for range readers {
		c := attach(b, h, FeedConfig{Topics: []Topic{post42}})
		c.conn.SetDeadline(time.Time{})
		go io.Copy(io.Discard, c.conn)
		b.Cleanup(func() { c.conn.Close(); <-c.ended })
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		delivered := h.Stats().Delivered
		log.append(post42)
		h.Wake()
		for h.Stats().Delivered < delivered+int64(readers) {
			<-time.After(100 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers), "ns/delivery")
}
