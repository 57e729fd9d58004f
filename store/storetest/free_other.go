//go:build !linux

package storetest

// freeBytes is 0: only Linux has a file system in memory at a fixed place.
func freeBytes(string) uint64 { return 0 }
