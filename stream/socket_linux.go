package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"unsafe"
)

// A socket is the descriptor of a connection that a wire owns. Nobody else closes it, so
// the number is this connection's until the wire gives it up, and then [noSocket]: the
// kernel makes it another connection's at once.
type socket int

const noSocket socket = -1 // EBADF to every call

func socketOf(conn *net.TCPConn) (s socket, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { s = socket(fd) })
	return s, err
}

// write returns how much the socket took, which may be nothing. It is send(2), which
// passes by what the kernel does for files, without a word to Go's scheduler: a call
// that does not wait is over before another thread could take the processor.
func (s socket) write(b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(sysSendto, uintptr(s),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EAGAIN:
			return 0, nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// read is for TLS, which takes a timeout for what it is, and may read on later.
func (s socket) read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(s), b)
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

// A gate stands between TCP and TLS. It passes everything through until the wire takes
// it; then nothing that goes through it waits.
type gate struct {
	*net.TCPConn
	wire *wire
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

// Write implements [net.Conn]: what the socket does not take, the wire keeps.
func (g *gate) Write(b []byte) (int, error) {
	if g.wire == nil {
		return g.TCPConn.Write(b)
	}
	n := 0
	if g.wire.empty() {
		var err error
		if n, err = g.wire.socket.write(b); err != nil {
			return n, err
		}
	}
	g.wire.pending = append(g.wire.pending, b[n:]...)
	return len(b), nil
}

// Read implements [net.Conn].
func (g *gate) Read(b []byte) (int, error) {
	if g.wire == nil {
		return g.TCPConn.Read(b)
	}
	return g.wire.socket.read(b)
}
