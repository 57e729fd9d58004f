//go:build unix

package limit

import "golang.org/x/sys/unix"

// descriptors returns how many files and sockets this process may open
// (RLIMIT_NOFILE, the soft limit).
func descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return minDescriptors
	}
	return int(min(max(uint64(limit.Cur), minDescriptors), maxDescriptors)) // Cur is signed on FreeBSD
}
