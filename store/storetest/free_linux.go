package storetest

import "syscall"

const (
	writable = 0x2 // W_OK of access(2)
	noExec   = 0x8 // ST_NOEXEC of statvfs(3)
)

// freeBytes returns how many bytes this process may still write to the file system of
// dir. It is 0 if programs cannot run from there: some tests write a program to a
// temporary directory.
func freeBytes(dir string) uint64 {
	var stat syscall.Statfs_t
	if syscall.Access(dir, writable) != nil || syscall.Statfs(dir, &stat) != nil || stat.Flags&noExec != 0 {
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize)
}
