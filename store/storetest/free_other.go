//go:build !linux

package storetest

// freeBytes returns 0: only Linux has a file system in memory at a fixed path.
func freeBytes(string) uint64 { return 0 }
