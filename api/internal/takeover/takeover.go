package takeover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/stream"
)

// connKey is the key of a *noted in the context of the requests of a connection.
type connKey struct{}

// A noted is a connection in the context of its requests.
type noted struct {
	conn net.Conn
	note any // of its first request
}

// WithConn returns a context that holds the connection, for [Take] and [TakeNote]. Of a
// connection that a [Listener] returned, it holds the original.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	n := &noted{conn: Original(conn)}
	if r, ok := conn.(*returned); ok {
		n.note = r.note
	}
	return context.WithValue(ctx, connKey{}, n)
}

// TakeNote returns the note about the first request of a connection that a [Listener] has
// returned. It must be called at the beginning of each request: the note is about that one
// alone, so later calls return nil.
func TakeNote(ctx context.Context) any {
	n, _ := ctx.Value(connKey{}).(*noted)
	if n == nil || n.note == nil {
		return nil
	}
	note := n.note
	n.note = nil
	return note
}

// Original returns the connection that was first accepted, if conn is one that a
// [Listener] returned; else conn.
func Original(conn net.Conn) net.Conn {
	if r, ok := conn.(*returned); ok {
		return r.Conn
	}
	return conn
}

// Take hijacks the connection of a request from net/http. conn is nil, and the request
// goes on as before, where that is impossible: HTTP/2, a request with a body, a
// connection that package stream cannot write to (see [stream.CanTakeOver]).
//
// reusable reports whether the connection can be returned after this response. It is
// false if the client closes it (HTTP/1.0, Connection: close), or has pipelined another
// request: those bytes are in a buffer of net/http that cannot be given back.
func Take(w http.ResponseWriter, r *http.Request) (conn net.Conn, reusable bool, err error) {
	n, _ := r.Context().Value(connKey{}).(*noted)
	if r.ProtoMajor != 1 || r.ContentLength != 0 || n == nil || !stream.CanTakeOver(n.conn) {
		return nil, false, nil
	}
	_, buffered, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("take connection over: %w", err)
	}
	return n.conn, buffered.Reader.Buffered() == 0 && r.ProtoAtLeast(1, 1) && !r.Close, nil
}

// Head returns the status line and the header of a response on a connection that was
// taken over, as net/http would write them (RFC 9112 section 4), with a Date. minor is the
// minor version of the request's HTTP/1.
func Head(minor, status int, header http.Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.%d %d %s\r\n", min(1, minor), status, http.StatusText(status))
	header = header.Clone()
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = header.Write(&b) // a buffer accepts everything
	b.WriteString("\r\n")
	return b.Bytes()
}
