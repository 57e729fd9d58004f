package conn

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// sockets returns both ends of a TCP connection.
func sockets(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	streamtest.Must(t, err)
	accepted, err := l.Accept()
	streamtest.Must(t, err)
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// running returns a poller that runs until the test ends.
func running(t *testing.T) *Poller {
	t.Helper()
	p := NewPoller()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return p
}

// A watched connection notes what its poller reports.
type watched struct {
	Conn
	changes chan bool
}

// SocketChanged implements [Watcher].
func (w *watched) SocketChanged(_, gone bool) {
	select {
	case w.changes <- gone:
	default:
	}
}

func watch(t *testing.T, p *Poller, conn net.Conn) *watched {
	t.Helper()
	w := &watched{changes: make(chan bool, 1000)}
	streamtest.Must(t, w.Open(conn, p, w, false))
	return w
}

// waitGone returns when the poller has reported that the connection is gone.
func (w *watched) waitGone() {
	for !<-w.changes {
	}
}

func TestConn(t *testing.T) {
	t.Parallel()

	t.Run("KeepsWhatTheSocketDoesNotTake", func(t *testing.T) {
		t.Parallel()
		p := running(t)
		near, far := sockets(t)
		streamtest.Must(t, far.SetWriteBuffer(32<<10))
		streamtest.Must(t, near.SetReadBuffer(32<<10))
		w := watch(t, p, far)
		const size = 4 << 20
		streamtest.Must(t, w.Send(make([]byte, size), time.Second))
		if w.Pending() == 0 {
			t.Fatal("the socket took everything")
		}
		streamtest.Want(t, "pending since", w.PendingSince(), time.Second)
		streamtest.Want(t, "the time of the stall", w.StalledAt(time.Minute), time.Second+time.Minute)
		read := make(chan int64)
		go func() { n, _ := io.Copy(io.Discard, io.LimitReader(near, size)); read <- n }()
		for now := 2 * time.Second; w.Pending() > 0; now += time.Second {
			if <-w.changes {
				t.Fatal("the connection is gone")
			}
			before := w.Pending()
			streamtest.Must(t, w.Flush(now))
			if w.Pending() < before {
				streamtest.Want(t, "the time of the stall", w.StalledAt(0), now)
			}
		}
		streamtest.Want(t, "bytes read", <-read, int64(size))
		w.Release(p, false)
	})
	t.Run("ReportsThatThePeerHasLeft", func(t *testing.T) {
		t.Parallel()
		p := running(t)
		near, far := sockets(t)
		w := watch(t, p, far)
		streamtest.Must(t, near.CloseWrite())
		w.waitGone()
		w.Release(p, false)
	})
	t.Run("WritesNothingAfterItsRelease", func(t *testing.T) {
		t.Parallel()
		p := running(t)
		near, far := sockets(t)
		w := watch(t, p, far)
		conn := w.Release(p, true)
		streamtest.Want(t, "the connection", conn, net.Conn(far))
		streamtest.WantErr(t, w.Send([]byte("late"), 0), syscall.EBADF)
		streamtest.Want(t, "the connection of a second release", w.Release(p, true), nil)
		go io.WriteString(conn, "again\n")
		line, err := bufio.NewReader(near).ReadString('\n')
		streamtest.Must(t, err)
		streamtest.Want(t, "the line over the same connection", line, "again\n")
	})
	t.Run("RefusesAConnectionWithoutASocket", func(t *testing.T) {
		t.Parallel()
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		var c Conn
		streamtest.WantErr(t, c.Open(far, NewPoller(), nil, false), ErrNotSupported)
		streamtest.Want(t, "CanTakeOver", CanTakeOver(far), false)
	})
	t.Run("SeesThroughTransparentWrappers", func(t *testing.T) {
		t.Parallel()
		p := running(t)
		near, far := sockets(t)
		wrapper := counting{far}
		streamtest.Want(t, "CanTakeOver", CanTakeOver(wrapper), true)
		streamtest.Want(t, "CanTakeOver of an opaque wrapper", CanTakeOver(struct{ net.Conn }{far}), false)
		w := watch(t, p, wrapper)
		streamtest.Must(t, w.Send([]byte("through\n"), 0))
		line, err := bufio.NewReader(near).ReadString('\n')
		streamtest.Must(t, err)
		streamtest.Want(t, "the line", line, "through\n")
		streamtest.Want(t, "the connection", w.Release(p, true), net.Conn(wrapper))
	})
}

// A counting connection stands for any wrapper that changes nothing.
type counting struct{ net.Conn }

// Transparent implements [Transparent].
func (c counting) Transparent() net.Conn { return c.Conn }

// Slots are used again, and an event of a connection that had a slot earlier is not
// reported to the connection that has it now.
func TestPollerReusesSlots(t *testing.T) {
	t.Parallel()
	p := running(t)
	var churning sync.WaitGroup
	for range 8 {
		churning.Go(func() {
			for i := range 50 {
				near, far := sockets(t)
				w := watch(t, p, far)
				if i%2 == 0 {
					near.Close()
					w.waitGone()
				}
				w.Release(p, false)
			}
		})
	}
	churning.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	streamtest.Want(t, "the number of free slots", len(p.free), len(p.slots))
	if len(p.slots) > 8 {
		t.Errorf("8 connections at a time needed %d slots", len(p.slots))
	}
}

// A poller that cannot watch sockets any more says so.
func TestPoller_ReportsThatItFails(t *testing.T) {
	t.Parallel()
	p := NewPoller()
	streamtest.Must(t, p.start())
	failed := make(chan error)
	go func() { failed <- p.Run(t.Context()) }()
	streamtest.Must(t, p.file.Close())
	if err := <-failed; err == nil {
		t.Error("Run ended without an error")
	}
}

func TestCanTakeOverTLS(t *testing.T) {
	t.Parallel()
	_, far := sockets(t)
	gated := &gate{Conn: far}
	config := &tls.Config{}
	for _, c := range []struct {
		name string
		conn net.Conn
		want bool
	}{
		{"TLS over a gate", tls.Server(gated, config), true},
		{"TLS over a transparent wrapper of a gate", tls.Server(counting{gated}, config), true},
		{"TLS over a gate of a transparent wrapper", tls.Server(&gate{Conn: counting{far}}, config), true},
		{"TLS without a gate", tls.Server(far, config), false},
		{"TLS in a transparent wrapper", counting{tls.Server(gated, config)}, false},
	} {
		streamtest.Want(t, "CanTakeOver of "+c.name, CanTakeOver(c.conn), c.want)
		tcp, _ := TCP(c.conn)
		streamtest.Want(t, "the TCP connection of "+c.name, tcp, far)
	}
}
