//go:build !unix

package limit

// descriptors returns 16,384, because the system has no such limit.
func descriptors() int { return maxDescriptors / 64 }
