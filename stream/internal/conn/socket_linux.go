package conn

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

const supported = true

// A socket is the descriptor of a connection that a [Conn] has taken over. The kernel may
// reuse the number of a closed descriptor at once. Only the Conn closes the connection, and
// it sets [noSocket] when it releases the connection, so the number is always valid.
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

// write returns the number of bytes that the socket has accepted, which may be 0. It calls
// send(2), which is faster than write(2) for a socket. RawSyscall does not notify Go's
// scheduler, which is correct because the call does not block.
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

// read returns errNothing if there is nothing to read. For TLS that is a timeout, after which
// TLS can read again. The call does not block, because Go's sockets are non-blocking.
func (s socket) read(b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return 0, errNothing{}
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		}
		return int(n), nil
	}
}

// errNothing is a [net.Error]: there is nothing to read at the moment.
type errNothing struct{}

func (errNothing) Error() string   { return "nothing to read" }
func (errNothing) Timeout() bool   { return true }
func (errNothing) Temporary() bool { return true }
