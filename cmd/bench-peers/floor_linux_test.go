package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The floor needs no installed programs, so this test makes every measurement that includes
// it: with few readers, real connections and a child process.
func TestCells_MeasureTheFloor(t *testing.T) {
	t.Parallel()
	for _, c := range cells(0.02) {
		if !c.of(floor{}.name()) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			streamtest.Must(t, floor{}.withServer(t.Context(), c.readers, c.topics, func(s peerServer) error {
				f, err := c.run(t.Context(), c, s)
				if err != nil {
					return err
				}
				for _, name := range []string{lost, duplicated, reordered} {
					if f[name] != 0 {
						t.Errorf("%s: %v", name, f[name])
					}
				}
				for _, name := range []string{p50, p99, rate, connect} {
					if f[name] <= 0 {
						t.Errorf("%s: %v", name, f[name])
					}
				}
				for _, name := range []string{serverEach, clientEach, idle} {
					if _, ok := f[name]; !ok {
						t.Errorf("%s is not known", name)
					}
				}
				return nil
			}))
		})
	}
}

func TestFloor_ServesOthersAfterAReaderHasClosed(t *testing.T) {
	t.Parallel()
	streamtest.Must(t, floor{}.withServer(t.Context(), 3, 1, func(s peerServer) error {
		closing, err := net.Dial("tcp", strings.TrimPrefix(s.stream.URL, "http://"))
		streamtest.Must(t, err)
		_, err = io.WriteString(closing, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		streamtest.Must(t, err)
		_, err = io.ReadFull(closing, make([]byte, len(floorHead)))
		streamtest.Must(t, err)
		readers, err := bench.ConnectReaders(t.Context(), s.stream, 2, t.Output())
		streamtest.Must(t, err)
		defer readers.Stop()
		streamtest.Must(t, s.publish(t.Context(), 0, []byte(`"early"`)))
		streamtest.Must(t, closing.Close())
		d, err := readers.Paced(t.Context(), 50, 1000, s.publish)
		if d.Deliveries != 100 || d.Faults.Lost+d.Faults.Duplicated+d.Faults.Reordered > 0 {
			t.Errorf("%d deliveries, %v", d.Deliveries, d.Faults)
		}
		return err
	}))
}

func TestPoster_ReturnsRefusals(t *testing.T) {
	t.Parallel()
	streamtest.Must(t, floor{}.withServer(t.Context(), 1, 1, func(s peerServer) error {
		streamtest.Must(t, s.publish(t.Context(), 0, []byte(`"x"`)))
		return nil
	}))
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	refusing := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error)
	go func() { ended <- refusing.Serve(socket) }()
	err = poster("http://"+socket.Addr().String())(t.Context(), 0, nil)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a refused publish ends with %v", err)
	}
	streamtest.Must(t, refusing.Close())
	<-ended
}

func TestWholeRequest(t *testing.T) {
	t.Parallel()
	const request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAccept: b\r\n\r\nevent"
	for n := range len(request) {
		if _, ok := wholeRequest([]byte(request[:n])); ok {
			t.Errorf("%q is whole", request[:n])
		}
	}
	for text, wanted := range map[string]string{request: "event", "GET / HTTP/1.1\r\nHost: a\r\n\r\n": ""} {
		if body, ok := wholeRequest([]byte(text)); !ok || string(body) != wanted {
			t.Errorf("%q: %q, %v", text, body, ok)
		}
	}
}
