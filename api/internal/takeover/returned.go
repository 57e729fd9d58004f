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
// body. After that it passes deadlines through. The server calls these methods one
// after another, never concurrently.
type returned struct {
	net.Conn
	server *http.Server
	begun  bool // the first byte of a request has arrived
	headed bool // its header has arrived
}

// SetReadDeadline implements [net.Conn].
func (r *returned) SetReadDeadline(t time.Time) error {
	switch {
	case !r.begun:
		t = time.Now().Add(r.server.IdleTimeout)
	case !r.headed:
		r.headed, t = true, time.Now().Add(r.server.ReadTimeout)
	}
	return r.Conn.SetReadDeadline(t)
}

// Read implements [net.Conn].
func (r *returned) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if n > 0 && !r.begun {
		r.begun = true
		err = errors.Join(err, r.Conn.SetReadDeadline(time.Now().Add(r.server.ReadHeaderTimeout)))
	}
	return n, err
}
