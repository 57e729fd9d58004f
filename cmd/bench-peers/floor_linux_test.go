package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// The floor needs nothing installed, so all that is measured with the peers is
// measured with it here: few readers, real connections, a process of its own.
func TestFloor_IsMeasured(t *testing.T) {
	t.Parallel()
	for _, c := range cells(0.02) {
		if !c.of(floor{}.name()) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			must(t, floor{}.visit(t.Context(), c.readers, c.topics, func(s site) error {
				f, err := c.run(t.Context(), c, s)
				if err != nil {
					return err
				}
				for _, name := range []string{lost, doubled, reordered} {
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

// A reader that leaves is written to no more, and the rest have all there is.
func TestFloor_ForgetsWhoLeaves(t *testing.T) {
	t.Parallel()
	must(t, floor{}.visit(t.Context(), 3, 1, func(s site) error {
		leaves, err := net.Dial("tcp", strings.TrimPrefix(s.stream.URL, "http://"))
		must(t, err)
		_, err = io.WriteString(leaves, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		must(t, err)
		_, err = io.ReadFull(leaves, make([]byte, len(floorHead)))
		must(t, err)
		crowd, err := bench.ConnectReaders(t.Context(), s.stream, 2, t.Output())
		must(t, err)
		defer crowd.Stop()
		must(t, s.publish(t.Context(), 0, []byte(`"early"`)))
		must(t, leaves.Close())
		d, err := crowd.Paced(t.Context(), 50, 1000, s.publish)
		if d.Deliveries != 100 || d.Faults.Lost+d.Faults.Duplicated+d.Faults.Reordered > 0 {
			t.Errorf("%d deliveries, %v", d.Deliveries, d.Faults)
		}
		return err
	}))
}

func TestPoster_TellsOfARefusal(t *testing.T) {
	t.Parallel()
	must(t, floor{}.visit(t.Context(), 1, 1, func(s site) error {
		must(t, s.publish(t.Context(), 0, []byte(`"x"`)))
		return nil
	}))
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	refusing := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error)
	go func() { ended <- refusing.Serve(socket) }()
	err = poster("http://"+socket.Addr().String())(t.Context(), 0, nil)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a refused publish ends with %v", err)
	}
	must(t, refusing.Close())
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
