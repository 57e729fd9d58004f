//go:build !linux

package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// errNoSocket: connections are not taken over on this system.
var errNoSocket = errors.New("connections are not taken over on this system")

// CanTakeOver reports whether the hub can be given such a connection: not here, where
// every reader has a goroutine.
func CanTakeOver(net.Conn) bool { return false }

// Gate makes a listener whose connections can be taken over also when TLS is spoken
// over them: none, here.
func Gate(l net.Listener) net.Listener { return l }

// TCP is the connection of TCP that carries this one, if there is one.
func TCP(conn net.Conn) (*net.TCPConn, bool) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
}

// TakeOver fails: see [CanTakeOver].
func (f *Feed) TakeOver(net.Conn, []byte, bool, bool) error { return errNoSocket }

// Park fails: see [CanTakeOver].
func (s *Subscription) Park(net.Conn, Parking) error { return errNoSocket }

type (
	wire       struct{}
	lazyPoller struct{}
)

func newLazyPoller() lazyPoller { return lazyPoller{} }

func (*lazyPoller) run(context.Context) {}
