package api

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// userTimeoutOf asks the kernel.
func userTimeoutOf(t *testing.T, conn *net.TCPConn) time.Duration {
	t.Helper()
	raw, err := conn.SyscallConn()
	must(t, err)
	var ms int
	var failed error
	must(t, raw.Control(func(fd uintptr) {
		ms, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	}))
	must(t, failed)
	return time.Duration(ms) * time.Millisecond
}
