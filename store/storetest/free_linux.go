package storetest

import "syscall"

// freeBytes is how much anyone may still write to the file system of dir.
func freeBytes(dir string) uint64 {
	var stat syscall.Statfs_t
	if syscall.Access(dir, 2) != nil || syscall.Statfs(dir, &stat) != nil { // 2: may we write
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize)
}
