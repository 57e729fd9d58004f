package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/stream"
)

// connKey is where the context of a request has its connection.
type connKey struct{}

// withConn notes the connection, for handlers that take it over.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if r, ok := conn.(*returned); ok {
		conn = r.Conn
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// takeOver takes the connection from net/http, so that the hub can serve the reader
// without a goroutine. It returns nil where that cannot be: HTTP/2, a request with a
// body, a system without the means. Whoever sent more than the request, and so expects
// another answer on this connection, gets it elsewhere: alone says so.
func takeOver(c echo.Context) (conn net.Conn, alone bool, err error) {
	r := c.Request()
	under, _ := r.Context().Value(connKey{}).(net.Conn)
	if r.ProtoMajor != 1 || r.ContentLength != 0 || under == nil || !stream.CanTakeOver(under) {
		return nil, false, nil
	}
	_, buffered, err := http.NewResponseController(c.Response().Writer).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("take connection over: %w", err)
	}
	c.Response().Committed = true
	return under, buffered.Reader.Buffered() == 0 && r.ProtoAtLeast(1, 1) && !r.Close, nil
}

// answerHead is the status line and the header of an answer over a connection that was
// taken over, as net/http would write them.
func answerHead(minor int, status int, header http.Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.%d %d %s\r\n", min(1, minor), status, http.StatusText(status))
	header = header.Clone()
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// A returned connection is idle for the client and new for the HTTP server, which
// would have its next request within ReadHeaderTimeout. So the deadlines of the first
// request count from its first byte, and until then it may be idle. The server calls
// these methods one after another.
type returned struct {
	net.Conn
	server *http.Server
	began  bool // the first byte of a request is here
	headed bool // its header is
}

// SetReadDeadline implements [net.Conn].
func (r *returned) SetReadDeadline(t time.Time) error {
	switch {
	case !r.began:
		t = time.Now().Add(r.server.IdleTimeout)
	case !r.headed:
		r.headed, t = true, time.Now().Add(r.server.ReadTimeout)
	}
	return r.Conn.SetReadDeadline(t)
}

// Read implements [net.Conn].
func (r *returned) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if n > 0 && !r.began {
		r.began = true
		err = errors.Join(err, r.Conn.SetReadDeadline(time.Now().Add(r.server.ReadHeaderTimeout)))
	}
	return n, err
}

// Returns are connections that come back to the HTTP server after they were taken
// over: for it they are as new. Its Shutdown would wait 5 s for the first request of
// a new connection; these have had theirs, so Close ends those that are silent.
type returns struct {
	server *http.Server // that accepts them; its timeouts are set
	bell   chan struct{}

	mu     sync.Mutex // guards what follows
	queue  []net.Conn
	silent map[net.Conn]struct{} // accepted, and no request has begun since
	open   bool                  // they are accepted
	closed bool
}

func newReturns() *returns {
	return &returns{bell: make(chan struct{}, 1), silent: make(map[net.Conn]struct{})}
}

// follow notes that a connection is no longer silent. It is the ConnState of the HTTP
// server that accepts them.
func (r *returns) follow(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.silent, conn)
}

// give hands a connection back; nil is none. It closes it when nobody accepts it.
func (r *returns) give(conn net.Conn) {
	if conn == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || r.closed {
		conn.Close()
		return
	}
	r.queue = append(r.queue, conn)
	r.ring()
}

func (r *returns) ring() {
	select {
	case r.bell <- struct{}{}:
	default: // it rings already
	}
}

// Accept implements [net.Listener].
func (r *returns) Accept() (net.Conn, error) {
	for {
		if conn, err := r.next(); conn != nil || err != nil {
			return conn, err
		}
		<-r.bell
	}
}

func (r *returns) next() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = true
	switch {
	case r.closed:
		return nil, net.ErrClosed
	case len(r.queue) == 0:
		return nil, nil
	}
	conn := &returned{Conn: r.queue[0], server: r.server}
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.silent[conn] = struct{}{}
	return conn, nil
}

// Close implements [net.Listener].
func (r *returns) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, conn := range r.queue {
		conn.Close()
	}
	r.queue = nil
	for conn := range r.silent {
		conn.Close()
	}
	clear(r.silent)
	r.ring()
	return nil
}

// Addr implements [net.Listener].
func (r *returns) Addr() net.Addr { return returnsAddr{} }

type returnsAddr struct{}

func (returnsAddr) Network() string { return "returned" }
func (returnsAddr) String() string  { return "returned" }
