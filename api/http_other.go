//go:build !linux

package api

import (
	"net"
	"time"
)

// setUserTimeout does nothing where the system has no such setting: a peer that
// vanished is found by failing writes alone.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
