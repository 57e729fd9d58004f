//go:build !linux

package api

import (
	"net"
	"testing"
	"time"
)

// userTimeoutOf has nothing to ask.
func userTimeoutOf(*testing.T, *net.TCPConn) time.Duration { return userTimeout }
