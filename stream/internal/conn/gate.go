package conn

import (
	"crypto/tls"
	"net"
)

// A Transparent connection wraps another connection. It does not change or buffer the bytes
// that it passes on; for example, it counts them. Such a connection can be taken over: the
// bytes are then written to the wrapped connection directly. A wrapper that changes or
// buffers bytes must not have this method.
type Transparent interface {
	// Transparent returns the wrapped connection.
	Transparent() net.Conn
}

// A gate is a connection between TCP and TLS. It passes all calls on until a [Conn] takes
// the connection over. After that, neither Read nor Write blocks.
type gate struct {
	net.Conn
	taken *Conn
}

// Transparent implements [Transparent].
func (g *gate) Transparent() net.Conn { return g.Conn }

// Write implements [net.Conn]. Bytes that the socket does not accept become pending in the
// Conn.
func (g *gate) Write(b []byte) (int, error) {
	if g.taken == nil {
		return g.Conn.Write(b)
	}
	n := 0
	if len(g.taken.pending) == 0 {
		var err error
		if n, err = g.taken.socket.write(b); err != nil {
			return n, err
		}
	}
	g.taken.pending = append(g.taken.pending, b[n:]...)
	return len(b), nil
}

// Read implements [net.Conn]. It fails with a timeout when there is nothing to read.
func (g *gate) Read(b []byte) (int, error) {
	if g.taken == nil {
		return g.Conn.Read(b)
	}
	return g.taken.socket.read(b)
}

// Gate wraps a TCP listener so that TLS connections over it can be taken over, too:
// tls.NewListener(Gate(l), config).
func Gate(l net.Listener) net.Listener { return gateListener{l} }

type gateListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l gateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if _, ok := TCP(conn); !ok || err != nil {
		return conn, err
	}
	return &gate{Conn: conn}, nil
}

// TCP finds the TCP connection that carries a connection, below TLS and [Transparent]
// wrappers.
func TCP(conn net.Conn) (*net.TCPConn, bool) {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c, true
		case *tls.Conn:
			conn = c.NetConn()
		case Transparent:
			conn = c.Transparent()
		default:
			return nil, false
		}
	}
}

// gateOf finds the gate below [Transparent] wrappers.
func gateOf(conn net.Conn) (*gate, bool) {
	for {
		switch c := conn.(type) {
		case *gate:
			return c, true
		case Transparent:
			conn = c.Transparent()
		default:
			return nil, false
		}
	}
}

// CanTakeOver reports whether [Conn.Open] accepts a connection: TCP, or TLS over a
// listener of [Gate], with [Transparent] wrappers at any place. It is always false on
// systems other than Linux.
func CanTakeOver(conn net.Conn) bool {
	if !supported {
		return false
	}
	if encrypted, ok := conn.(*tls.Conn); ok {
		_, gated := gateOf(encrypted.NetConn())
		return gated
	}
	_, ok := TCP(conn)
	return ok && !isTLS(conn)
}

// isTLS reports whether there is TLS below [Transparent] wrappers.
func isTLS(conn net.Conn) bool {
	for {
		switch c := conn.(type) {
		case *tls.Conn:
			return true
		case Transparent:
			conn = c.Transparent()
		default:
			return false
		}
	}
}
