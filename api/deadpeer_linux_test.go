package api

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// deadWithin is the time within which the server finds that a peer has vanished.
const deadWithin = 35 * time.Second

// vanish makes the kernel drop every packet that arrives for the connection before TCP sees
// it, so that no byte and no probe of the server is acknowledged, as if the peer had lost its
// network. It needs no rights.
func vanish(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	streamtest.Must(t, err)
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	streamtest.Eventually(t, "the server has what the peer sent", func() bool { // else the peer sends it again
		unsent := 0
		streamtest.Must(t, raw.Control(func(fd uintptr) { unsent, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }))
		return err == nil && unsent == 0
	})
	var failed error
	streamtest.Must(t, raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}))
	streamtest.Must(t, failed)
}

// A peer that vanishes is found, on every transport and in every state of its connection.
func TestDeadPeer_IsFound(t *testing.T) {
	t.Parallel()
	plain := func(p *http.Protocols) { p.SetHTTP1(true) }
	second := func(p *http.Protocols) { p.SetHTTP2(true) }
	for name, c := range map[string]struct {
		way   func(t *testing.T) func(*setup)
		opens []func(t *testing.T, r *rig) // each opens another connection
	}{
		"Plain":             {func(t *testing.T) func(*setup) { return speaking(t, false, plain) }, []func(*testing.T, *rig){openStream, openPoll, openFullStream, openIdle}},
		"OverTLS":           {func(t *testing.T) func(*setup) { return speaking(t, true, plain) }, []func(*testing.T, *rig){openStream, openPoll, openFullStream}},
		"StreamOverHTTP2":   {func(t *testing.T) func(*setup) { return speaking(t, true, second) }, []func(*testing.T, *rig){openStream}},
		"PollOverHTTP2":     {func(t *testing.T) func(*setup) { return speaking(t, true, second) }, []func(*testing.T, *rig){openPoll}},
		"StreamInGoroutine": {inGoroutinesOver(plain), []func(*testing.T, *rig){openStream}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conns, closed := make(chan net.Conn, 8), make(chan struct{}, 8)
			set := c.way(t)
			r := newRig(t, set, func(s *setup) {
				s.client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
					if err == nil {
						conns <- conn
					}
					return conn, err
				}
				s.http = func(server *http.Server) {
					state := server.ConnState
					server.ConnState = func(conn net.Conn, to http.ConnState) {
						state(conn, to)
						if to == http.StateClosed {
							closed <- struct{}{}
						}
					}
				}
			})
			for _, open := range c.opens {
				open(t, r)
			}
			streamtest.Want(t, "connections", len(conns), len(c.opens))
			for range len(conns) {
				vanish(t, <-conns)
			}
			began := time.Now()
			if name == "Plain" { // the other connections are taken over
				select {
				case <-closed:
				case <-time.After(streamtest.Patience):
					t.Fatal("the idle connection is not closed")
				}
			}
			r.reading(t, 0)
			r.waiting(t, 0)
			if took := time.Since(began); took > deadWithin {
				t.Errorf("the dead peers were found after %v", took)
			}
		})
	}
}

func inGoroutinesOver(set func(*http.Protocols)) func(t *testing.T) func(*setup) {
	return func(t *testing.T) func(*setup) {
		speak := speaking(t, false, set)
		return func(s *setup) { speak(s); s.inGoroutines = true }
	}
}

func openStream(t *testing.T, r *rig) {
	r.follow(t, "topic=room:1").event("stream.ready")
}

// openFullStream opens a stream and does not read it until the server has bytes that the
// socket does not accept.
func openFullStream(t *testing.T, r *rig) {
	r.follow(t, "topic=room:full").event("stream.ready")
	streamtest.Eventually(t, "the socket is full", func() bool {
		r.exec(t, `select tidings.publish('room:full', 'large', to_jsonb(repeat('x', 50000))) from generate_series(1, 50)`)
		return r.hub.Stats().Unsent > 0
	})
}

func openPoll(t *testing.T, r *rig) {
	start := r.head(t)
	go func() {
		res, err := r.client.Do(r.request(t, "GET", "/v1/poll?topic=room:1&wait=55&cursor="+start))
		if err == nil {
			res.Body.Close()
		}
	}()
	r.waiting(t, 1)
}

func openIdle(t *testing.T, r *rig) {
	streamtest.Want(t, "status", r.do(t, "GET", "/healthz").status, http.StatusOK)
}
