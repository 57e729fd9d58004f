package bench

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A source is a small server of event streams that can be resumed.
type source struct {
	mu     sync.Mutex // guards events and more
	events []string
	more   chan struct{} // closed with the next event
	skip   int           // number of an event that is not sent; 0 for none
}

func (s *source) publish(_ context.Context, _ int, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, string(data))
	close(s.more)
	s.more = make(chan struct{})
	return nil
}

// after returns the events after a number, and a channel that is closed with the next one.
func (s *source) after(n int) ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[n:], s.more
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(strings.TrimPrefix(r.Header.Get("Last-Event-ID"), "1-")) // 0 without the header
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		events, more := s.after(n)
		for _, data := range events {
			if n++; n != s.skip {
				fmt.Fprintf(w, "id: 1-%d\nevent: bench.message\ndata: %s\n\n", n, data)
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// readersOf connects 20 readers to an HTTP or HTTPS server of s.
func readersOf(t *testing.T, s *source, secure bool, patience time.Duration) *StreamReaders {
	t.Helper()
	s.more = make(chan struct{})
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = nil
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	target, err := newTarget(server.URL, "", newPrinter(io.Discard, t.Output()))
	streamtest.Must(t, err)
	if secure {
		target.dialer.tls.RootCAs = x509.NewCertPool()
		target.dialer.tls.RootCAs.AddCert(server.Certificate())
	}
	readers := make([]*reader, 20)
	for i := range readers {
		readers[i] = &reader{protocol: eventSource{"/"}, counted: eventName}
	}
	pool, err := target.startReaders(t.Context(), readers)
	streamtest.Must(t, err)
	pool.patience = patience
	c := &StreamReaders{pool: pool, load: &load{posts: 1, now: target.now}}
	t.Cleanup(func() { c.Stop(); server.Close() })
	return c
}

func TestStreamReaders_ResumeAfterACut(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"Epoll": false, "Goroutines": true} { // epoll loops do not read TLS
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &source{}
			storm, err := readersOf(t, s, secure, lostAfter).Storm(t.Context(), 100, 200, s.publish)
			streamtest.Must(t, err)
			streamtest.Want(t, "faults", storm.Delivery.Faults, Faults{Cuts: 20})
			streamtest.Want(t, "deliveries", storm.Delivery.Deliveries, 2000)
			if storm.Reconnected < reconnectDelay.Seconds() || storm.CaughtUp < storm.Reconnected {
				t.Errorf("back after %v s, with all after %v s", storm.Reconnected, storm.CaughtUp)
			}
		})
	}
}

func TestStreamReaders_CountLostEvents(t *testing.T) {
	t.Parallel()
	s := &source{skip: 7}
	d, err := readersOf(t, s, false, 5*time.Second).FlatOut(t.Context(), 50, 4, s.publish)
	streamtest.Must(t, err)
	streamtest.Want(t, "faults", d.Faults, Faults{Lost: 20})
}

// That no reader is left is checked by goleak in TestMain.
func TestConnectReaders_EndsAllReadersIfOneIsRefused(t *testing.T) {
	t.Parallel()
	const room = 30
	var taken sync.WaitGroup
	gate := make(chan struct{}, room)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case gate <- struct{}{}:
			taken.Add(1)
			defer taken.Done()
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			http.Error(w, "full", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	_, err := ConnectReaders(t.Context(), Stream{URL: server.URL, Paths: []string{"/"}, Event: eventName}, room+1, t.Output())
	if err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got error %v, want one with status 503", err)
	}
	taken.Wait() // every connection was closed
}
