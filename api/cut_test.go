package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// However a client leaves, its request ends and its subscription is removed.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	inEveryWay(t, readerLeaves)
}

func readerLeaves(t *testing.T, way func(*setup)) {
	const beat = 50 * time.Millisecond

	for name, leave := range map[string]func(w *wire) error{
		"ByClosing":                func(w *wire) error { return w.Close() },
		"ByReset":                  func(w *wire) error { streamtest.Must(w.t, w.SetLinger(0)); return w.Close() },
		"ByClosingItsHalf":         func(w *wire) error { return w.CloseWrite() },
		"AfterALatePipelinedByte":  func(w *wire) error { w.ask("G"); return w.Close() },
		"AfterALatePipelinedReset": func(w *wire) error { w.ask("G"); streamtest.Must(w.t, w.SetLinger(0)); return w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, way, heartbeat(beat))
			w := r.dial(t)
			w.ask("GET /v1/events?topic=room:1&topic=room:2 HTTP/1.1")
			w.head()
			w.chunk()
			streamtest.Must(t, leave(w))
			r.idle(t)
		})
	}
	t.Run("InLargeNumbers", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way, heartbeat(beat))
		const many = 40
		var all []*wire
		for i := range many {
			w := r.dial(t)
			w.ask(fmt.Sprintf("GET /v1/events?topic=room:%d HTTP/1.1", i))
			all = append(all, w)
			if i%4 == 0 { // before the first byte
				streamtest.Must(t, w.Close())
			}
		}
		for i, w := range all {
			if i%4 != 0 {
				w.head()
			}
			w.Close()
		}
		r.idle(t)
	})
	t.Run("WhileItPolls", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way)
		w := r.dial(t)
		w.ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t) + " HTTP/1.1")
		r.waiting(t, 1)
		streamtest.Must(t, w.Close())
		r.idle(t)
		if log := r.logs.String(); strings.Contains(log, "level=ERROR") {
			t.Errorf("a client that left is logged as an error: %s", log)
		}
	})
}

// A client that closes only its half of the connection gets an answer: an empty response
// would look like success.
func TestAHalfClosedRequestIsNotSilentlyDone(t *testing.T) {
	t.Parallel()
	inEveryWay(t, aHalfClosedRequestIsNotSilentlyDone)
}

func aHalfClosedRequestIsNotSilentlyDone(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	w := r.dial(t)
	w.ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t) + " HTTP/1.1")
	r.waiting(t, 1)
	streamtest.Must(t, w.CloseWrite())
	if status, _ := w.head(); status != "HTTP/1.1 503 Service Unavailable" {
		t.Errorf("status line is %q", status)
	}
}

// A client that stops reading is cut, and the others get everything.
func TestStoppedReaderIsCut(t *testing.T) {
	t.Parallel()
	inEveryWay(t, stoppedReaderIsCut)
}

func stoppedReaderIsCut(t *testing.T, way func(*setup)) {
	const limit = 5 * time.Second
	r := newRig(t, way, func(s *setup) { s.hub.Patience = limit })

	stopped := r.dial(t)
	streamtest.Must(t, stopped.SetReadBuffer(32<<10))
	stopped.ask("GET /v1/events?topic=room:1 HTTP/1.1")
	stopped.head()
	stopped.chunk()
	others := make([]*follower, 3)
	for i := range others {
		others[i] = r.follow(t, "topic=room:1")
		others[i].event("stream.ready")
	}
	r.reading(t, 4)

	const n = 60 // events of 50,000 bytes: more than the buffers between them hold
	r.exec(t, `select tidings.publish('room:1', 'large', to_jsonb(repeat('x', 50000))) from generate_series(1, $1)`, n)
	var all sync.WaitGroup // at once, so that none of them is slow
	for _, other := range others {
		all.Go(func() {
			for range n {
				if block, err := other.next(); err != nil || block.field("event") != "large" {
					t.Errorf("a reader got %.100q, %v", block, err)
					return
				}
			}
		})
	}
	all.Wait()
	r.reading(t, 3) // while the others are still there
	streamtest.Want(t, "streams that have ended as stalled", r.scrape(t)["tidings_streams_ended_total{reason=stalled}"], 1.0)
	if !strings.Contains(r.logs.String(), "why=") {
		t.Error("the cut is not logged")
	}
	rest, _ := io.ReadAll(stopped.r)
	if strings.Contains(string(rest), "stream.bye") || strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Error("a cut looks like an orderly end")
	}
	r.publish(t, "room:1", "tick", `{}`)
	for _, other := range others {
		other.event("tick")
		other.leave()
	}
	r.idle(t)
}

// HTTP/2 reports only that the stream is closed, and it is counted as stalled all the same.
func TestStoppedReaderOverHTTP2IsCountedAsStalled(t *testing.T) {
	t.Parallel()
	r := newRig(t, speaking(t, false, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
		func(s *setup) { s.hub.Patience = 200 * time.Millisecond })
	res, err := r.client.Do(r.request(t, "GET", "/v1/events?topic=room:1"))
	streamtest.Must(t, err)
	defer res.Body.Close()
	r.reading(t, 1)
	const n = 200 // events of 50,000 bytes: more than the client's windows take
	r.exec(t, `select tidings.publish('room:1', 'large', to_jsonb(repeat('x', 50000))) from generate_series(1, $1)`, n)
	streamtest.Eventually(t, "the stream has ended as stalled", func() bool {
		return r.scrape(t)["tidings_streams_ended_total{reason=stalled}"] == 1
	})
}

// The kernel finds a dead peer, whatever the heartbeats do.
func TestAcceptedSocketsAreTuned(t *testing.T) {
	t.Parallel()

	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	defer socket.Close()
	near, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", socket.Addr().String())
	streamtest.Must(t, err)
	defer near.Close()
	far, err := socket.Accept()
	streamtest.Must(t, err)
	defer far.Close()
	streamtest.Must(t, tune(far))
	streamtest.Want(t, "user timeout", userTimeoutOf(t, far.(*net.TCPConn)), userTimeout)
	streamtest.Must(t, tune(nil)) // what is no TCP is left alone
}
