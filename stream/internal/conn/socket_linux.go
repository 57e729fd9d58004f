package conn

import (
	"errors"
	"io"
	"net"
	"syscall"
	"unsafe"
)

const supported = true

// A socket is the descriptor of a connection that a [Conn] has taken over. Only the Conn
// closes the connection, so the number stays that of this connection until the Conn
// releases it and sets [noSocket]: the kernel may reuse the number at once.
type socket int

const noSocket socket = -1 // every call fails with EBADF

func socketOf(conn *net.TCPConn) (s socket, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return noSocket, err
	}
	err = raw.Control(func(fd uintptr) { s = socket(fd) })
	return s, err
}

// write returns how much the socket took, which may be nothing. It calls send(2), which
// skips the kernel's work for files. RawSyscall does not notify Go's scheduler: the call
// does not block, so it is over before another thread could take the processor.
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

// read is called by TLS. It fails with errNothing if there is nothing to read: TLS takes
// that for a timeout, after which it can read on.
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

// errNothing is a [net.Error]: there is nothing to read at the moment.
type errNothing struct{}

func (errNothing) Error() string   { return "nothing to read" }
func (errNothing) Timeout() bool   { return true }
func (errNothing) Temporary() bool { return true }
