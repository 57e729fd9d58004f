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
	conn, buffered, err := http.NewResponseController(c.Response().Writer).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("take connection over: %w", err)
	}
	c.Response().Committed = true
	return conn, buffered.Reader.Buffered() == 0 && r.ProtoAtLeast(1, 1) && !r.Close, nil
}

// answerHead is the status line and the header of an answer over a connection that was
// taken over, as net/http would write them.
func answerHead(r *http.Request, status int, header http.Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.%d %d %s\r\n", min(1, r.ProtoMinor), status, http.StatusText(status))
	header = header.Clone()
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// Returns are connections that come back to the HTTP server after they were taken
// over: for it they are as new.
type returns struct {
	bell chan struct{}

	mu     sync.Mutex // guards what follows
	queue  []net.Conn
	open   bool // they are accepted
	closed bool
}

func newReturns() *returns { return &returns{bell: make(chan struct{}, 1)} }

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
	conn := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
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
	r.ring()
	return nil
}

// Addr implements [net.Listener].
func (r *returns) Addr() net.Addr { return returnsAddr{} }

type returnsAddr struct{}

func (returnsAddr) Network() string { return "returned" }
func (returnsAddr) String() string  { return "returned" }
