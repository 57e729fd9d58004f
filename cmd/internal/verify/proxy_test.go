package verify

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo is a proxy before a server that sends back what it gets.
func echo(t *testing.T) *proxy {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() {
		for {
			c, err := socket.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	p, err := newProxy(t.Context(), func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", socket.Addr().String())
	})
	must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(p.close(), socket.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.address())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	says(t, c, 1) // it is through
	return c
}

// says sends so many bytes and wants them back.
func says(t *testing.T, c net.Conn, bytes int) {
	t.Helper()
	_, err := c.Write(make([]byte, bytes))
	must(t, err)
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.ReadFull(c, make([]byte, bytes))
	must(t, err)
}

// silent wants nothing to come, for a moment.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v; want nothing", n, err)
	}
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	if n := p.cut(); n != 1 {
		t.Errorf("cut %d connections", n)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	dial(t, p)
}

func TestProxySinks(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	if n := p.sink(); n != 1 {
		t.Errorf("sank %d connections", n)
	}
	_, err := c.Write([]byte("anyone?"))
	must(t, err)
	silent(t, c)
	for _, l := range p.current() {
		l.far.Close()
	}
	silent(t, c)
	dial(t, p)
	silent(t, c)
}

func TestProxyStalls(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	release := p.stall()
	_, err := c.Write([]byte("x"))
	must(t, err)
	silent(t, c)
	release()
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.ReadFull(c, make([]byte, 1))
	must(t, err)
}

func TestProxySlowsDown(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := dial(t, p)
	p.slow(20_000)
	began := time.Now()
	says(t, c, 10_000)
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("10,000 bytes at 20,000 a second took %v", took)
	}
	p.slow(0)
	says(t, c, 10_000)
}
