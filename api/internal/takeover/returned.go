package takeover

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// A returned connection is idle for the client and new for the http.Server, which sets
// a read deadline of ReadHeaderTimeout, reads the header, and sets one of ReadTimeout.
// returned replaces them: IdleTimeout until the first byte of a request, then
// ReadHeaderTimeout until the end of its header, then ReadTimeout until the end of its
// body. After that it passes deadlines through. If bytes of the request were read before, the
// deadlines of a new connection are right, and it passes all of them through. The server
// calls these methods one after another, never concurrently.
type returned struct {
	net.Conn
	server *http.Server
	read   []byte // the next bytes for Read
	note   any    // of the first request; see [TakeNote]
	begun  bool   // the first byte of a request has arrived
	headed bool   // its header has arrived, or deadlines are passed through from the start
}

// SetReadDeadline implements [net.Conn].
func (r *returned) SetReadDeadline(t time.Time) error {
	switch {
	case r.headed:
	case !r.begun:
		t = time.Now().Add(r.server.IdleTimeout)
	default:
		r.headed, t = true, time.Now().Add(r.server.ReadTimeout)
	}
	return r.Conn.SetReadDeadline(t)
}

// Read implements [net.Conn].
func (r *returned) Read(b []byte) (int, error) {
	if len(r.read) > 0 {
		n := copy(b, r.read)
		if r.read = r.read[n:]; len(r.read) == 0 {
			r.read = nil
		}
		return n, nil
	}
	n, err := r.Conn.Read(b)
	if n > 0 && !r.begun && !r.headed {
		r.begun = true
		err = errors.Join(err, r.Conn.SetReadDeadline(time.Now().Add(r.server.ReadHeaderTimeout)))
	}
	return n, err
}
