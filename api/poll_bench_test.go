package api

import (
	"bytes"
	"testing"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// BenchmarkRepeatedPolls measures one event that 200 waiting polls get, and the next request
// of each of them. The time includes that of the clients.
func BenchmarkRepeatedPolls(b *testing.B) {
	const polls = 200
	r := newRig(b)
	request := []byte("GET /v1/poll?topic=post:42&cursor=" + r.head(b) + " HTTP/1.1\r\nHost: x\r\n\r\n")
	r.learn(b, request)
	conns := make([]*wire, polls)
	for i := range conns {
		conns[i] = r.kept(b)
	}
	topic, err := stream.ParseTopic("post:42")
	streamtest.Must(b, err)
	answer := make([]byte, 4<<10)
	for b.Loop() {
		for _, w := range conns {
			_, err := w.Write(request)
			streamtest.Must(b, err)
		}
		streamtest.Eventually(b, "polls wait", func() bool { return r.hub.Stats().Readers[stream.Poll] == polls })
		r.hub.Broadcast(stream.Event{Topic: topic, Name: stream.TypingName, Data: stream.MustData(1)})
		for _, w := range conns {
			n, err := w.Read(answer)
			streamtest.Must(b, err)
			if !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200 OK\r\n")) {
				b.Fatalf("the answer is %q", answer[:n])
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*polls), "µs/poll")
}
