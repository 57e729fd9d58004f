//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A child inherits every open file and closes it at exec; in between it must not keep
// a server that was stopped from being started again.
func TestUnlock_FreesWhatAChildStillHolds(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "lock")
	held := lockAt(t, path)
	inherited, err := syscall.Dup(int(held.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)

	unlock(held)
	unlock(lockAt(t, path))
}

// lockAt opens a file and takes its lock.
func lockAt(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if free, err := tryLock(f); err != nil || !free {
		t.Fatalf("tryLock: %t, %v", free, err)
	}
	return f
}
