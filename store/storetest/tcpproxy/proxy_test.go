package tcpproxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it receives, and a proxy in front of it.
type echo struct {
	*tcpproxy.Proxy
	socket net.Listener
	served sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	streamtest.Must(t, err)
	e := &echo{socket: socket}
	e.served.Go(e.accept)
	e.Proxy, err = tcpproxy.Listen(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", socket.Addr().String())
	})
	streamtest.Must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(e.Close(), socket.Close()); err != nil {
			t.Error(err)
		}
		e.served.Wait()
	})
	return e
}

func (e *echo) accept() {
	for {
		c, err := e.socket.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.conns = append(e.conns, c)
		e.mu.Unlock()
		e.served.Go(func() { defer c.Close(); _, _ = io.Copy(c, c) })
	}
}

// hangUp closes the server's end of all connections.
func (e *echo) hangUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		c.Close()
	}
}

// dial connects to the server through the proxy and returns when the connection works.
func dial(t *testing.T, e *echo) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", e.Addr())
	streamtest.Must(t, err)
	t.Cleanup(func() { c.Close() })
	send(t, c, 1)
	receive(t, c, 1)
	return c
}

func send(t *testing.T, c net.Conn, bytes int) {
	t.Helper()
	_, err := c.Write(make([]byte, bytes))
	streamtest.Must(t, err)
}

func receive(t *testing.T, c net.Conn, bytes int) {
	t.Helper()
	streamtest.Must(t, c.SetReadDeadline(time.Now().Add(streamtest.Patience)))
	_, err := io.ReadFull(c, make([]byte, bytes))
	streamtest.Must(t, err)
}

// wantSilence reports an error if anything arrives within 100 ms, the end included.
func wantSilence(t *testing.T, c net.Conn) {
	t.Helper()
	streamtest.Must(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes and error %v, want silence", n, err)
	}
}

func TestCut_ResetsOpenConnections(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	streamtest.Want(t, "open connections", e.Open(), 1)
	streamtest.Want(t, "Cut", e.Cut(), 1)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection works")
	}
	dial(t, e)
}

func TestBlackhole_DropsBytesAndTheServersEnd(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	streamtest.Want(t, "Blackhole", e.Blackhole(), 1)
	streamtest.Want(t, "Blackhole again", e.Blackhole(), 0)
	send(t, c, 1)
	wantSilence(t, c)
	e.hangUp()
	wantSilence(t, c)
	dial(t, e)
	wantSilence(t, c)
}

func TestHold_KeepsBytesUntilRelease(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	hold := e.Hold(tcpproxy.ToServer | tcpproxy.ToClient)
	send(t, c, 1)
	wantSilence(t, c)
	hold.Release()
	hold.Release()
	receive(t, c, 1)
	send(t, c, 1)
	receive(t, c, 1)
}

func TestHold_EndLetsOtherConnectionsPass(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	hold := e.Hold(tcpproxy.ToClient)
	send(t, c, 1)
	streamtest.Eventually(t, "an answer is held back", func() bool { return hold.Held() == 1 })
	hold.End()
	dial(t, e)
	send(t, c, 1)
	wantSilence(t, c)
	hold.Release()
	receive(t, c, 2)
}

func TestLimit_SlowsConnectionsDown(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	e.Limit(20_000)
	began := time.Now()
	send(t, c, 10_000)
	receive(t, c, 10_000)
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("10,000 bytes at 20,000 a second took %v", took)
	}
	e.Limit(0)
	send(t, c, 10_000)
	receive(t, c, 10_000)
}

func TestDelay_DelaysAnswers(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	c := dial(t, e)
	e.Delay(100 * time.Millisecond)
	began := time.Now()
	send(t, c, 1)
	receive(t, c, 1)
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("an answer with a delay of 100 ms came after %v", took)
	}
}
