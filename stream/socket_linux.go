package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
)

// A socket is reached through the runtime, never by a number that was noted down: the
// number may be another connection's by then.
type socket = syscall.RawConn

// A rawWrite is one write(2) that does not wait. It is kept so that a write allocates
// nothing.
type rawWrite struct {
	bytes []byte
	n     int
	err   error
	do    func(fd uintptr) bool
}

func (r *rawWrite) init() {
	r.do = func(fd uintptr) bool {
		r.n, r.err = retry(func() (int, error) { return syscall.Write(int(fd), r.bytes) })
		return true
	}
}

// write returns how much the socket took, which may be nothing.
func (r *rawWrite) write(to socket, b []byte) (int, error) {
	r.bytes, r.n, r.err = b, 0, nil
	err := to.Write(r.do)
	r.bytes = nil
	if err == nil {
		err = r.err
	}
	return r.n, err
}

// retry makes a call that signals interrupt, and takes a socket that is not ready for
// one that takes or gives nothing.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		}
		return max(0, n), err
	}
}

// A gate stands between TCP and TLS. It passes everything through until the wire takes
// it; then nothing that goes through it waits.
type gate struct {
	*net.TCPConn
	wire *wire
	raw  rawWrite
}

// Gate makes a listener whose connections can be taken over also when TLS is spoken
// over them.
func Gate(l net.Listener) net.Listener { return gates{l} }

type gates struct{ net.Listener }

// Accept implements [net.Listener].
func (g gates) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &gate{TCPConn: tcp}, err
	}
	return conn, err
}

// TCP is the connection of TCP that carries this one, if there is one.
func TCP(conn net.Conn) (*net.TCPConn, bool) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	if g, ok := conn.(*gate); ok {
		return g.TCPConn, true
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
}

func (g *gate) take(w *wire) {
	g.raw.init()
	g.wire = w
}

// Write implements [net.Conn]: what the socket does not take, the wire keeps.
func (g *gate) Write(b []byte) (int, error) {
	if g.wire == nil {
		return g.TCPConn.Write(b)
	}
	n := 0
	if g.wire.empty() {
		var err error
		if n, err = g.raw.write(g.wire.socket, b); err != nil {
			return n, err
		}
	}
	g.wire.pending = append(g.wire.pending, b[n:]...)
	return len(b), nil
}

// Read implements [net.Conn]. TLS takes a timeout for what it is, and may read on later.
func (g *gate) Read(b []byte) (int, error) {
	if g.wire == nil {
		return g.TCPConn.Read(b)
	}
	var n int
	var failed error
	err := g.wire.socket.Read(func(fd uintptr) bool {
		n, failed = retryRead(int(fd), b)
		return true
	})
	if err == nil {
		err = failed
	}
	return n, err
}

func retryRead(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, errNothing{}
		case err == nil && n == 0:
			return 0, io.EOF
		}
		return max(0, n), err
	}
}

// errNothing: there is nothing to read at the moment.
type errNothing struct{}

func (errNothing) Error() string   { return "nothing to read" }
func (errNothing) Timeout() bool   { return true }
func (errNothing) Temporary() bool { return true }
