package takeover

import (
	"net"
	"net/http"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A slowConn is a connection whose Close blocks, as that of TLS does while it writes.
type slowConn struct {
	net.Conn
	closing, release chan struct{}
}

func (c slowConn) Close() error {
	c.closing <- struct{}{}
	<-c.release
	return nil
}

// A worker that gives a connection back does not wait for its Close.
func TestReturn_DoesNotWaitForClose(t *testing.T) {
	t.Parallel()
	l := NewListener(&http.Server{})
	streamtest.Must(t, l.Close())
	conn := slowConn{closing: make(chan struct{}), release: make(chan struct{})}
	l.Return(conn, nil, nil)
	<-conn.closing
	close(conn.release)
}

// Many connections whose Close takes long are closed at the same time.
func TestClose_ClosesConnectionsTogether(t *testing.T) {
	t.Parallel()
	l := NewListener(&http.Server{})
	first := slowConn{closing: make(chan struct{}), release: make(chan struct{})}
	const conns = 50
	l.Return(first, nil, nil) // closed, because nobody has accepted yet
	<-first.closing
	l.open = true
	for range conns {
		l.Return(first, nil, nil)
	}
	done := make(chan error)
	go func() { done <- l.Close() }()
	for range conns {
		<-first.closing
	}
	close(first.release)
	streamtest.Must(t, <-done)
}
