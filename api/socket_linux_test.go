package api

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// userTimeoutOf asks the kernel.
func userTimeoutOf(t *testing.T, conn *net.TCPConn) time.Duration {
	t.Helper()
	raw, err := conn.SyscallConn()
	streamtest.Must(t, err)
	var ms int
	var failed error
	streamtest.Must(t, raw.Control(func(fd uintptr) {
		ms, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}))
	streamtest.Must(t, failed)
	return time.Duration(ms) * time.Millisecond
}
