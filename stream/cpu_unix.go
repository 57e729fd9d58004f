//go:build unix

package stream

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time of this process, or 0 if it is not known.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
