//go:build !linux

package api

import (
	"net"
	"time"
)

// setUserTimeout does nothing, because the system has no TCP_USER_TIMEOUT. A dead peer
// is found when a write fails.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
