//go:build unix

package api

import "syscall"

// descriptors is how many files and sockets this process may open.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fewDescriptors
	}
	return int(min(max(uint64(limit.Cur), fewDescriptors), manyDescriptors)) //nolint:unconvert // signed on FreeBSD
}
