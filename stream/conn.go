package stream

import (
	"net"

	"github.com/tidings-live/tidings/stream/internal/conn"
)

// ErrNotSupported is the error of TakeOver for connections of which [CanTakeOver]
// reports false.
var ErrNotSupported = conn.ErrNotSupported

// A Transparent connection wraps another one and passes each byte through unchanged and
// without keeping any. Connections with such wrappers can be taken over; see
// [CanTakeOver].
type Transparent = conn.Transparent

// Gate wraps a TCP listener so that TLS connections over it can be taken over, too:
// tls.NewListener(Gate(l), config).
func Gate(l net.Listener) net.Listener { return conn.Gate(l) }

// CanTakeOver reports whether [Feed.TakeOver] and [LongPoll.TakeOver] accept a
// connection: TCP, or TLS over a listener of [Gate]. It is always false on systems other
// than Linux.
func CanTakeOver(c net.Conn) bool { return conn.CanTakeOver(c) }

// TCP finds the TCP connection that carries a connection, below TLS and [Transparent]
// wrappers.
func TCP(c net.Conn) (*net.TCPConn, bool) { return conn.TCP(c) }
