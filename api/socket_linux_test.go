package api

import (
	"net"
	"syscall"
	"testing"
	"time"

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
		ms, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	}))
	streamtest.Must(t, failed)
	return time.Duration(ms) * time.Millisecond
}
