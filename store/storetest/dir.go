package storetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const (
	// memory is the directory of Linux's file system in memory. A database has 300
	// files: copying it takes 10 ms there, and up to 300 ms on a disk.
	memory = "/dev/shm"

	// room is how many bytes must be free in memory. A container may have 64 MB in all.
	room = 2 << 30

	// prefix begins the names of the temporary directories; the process id follows.
	prefix = "tidings-test-"
)

// disk is the directory for temporary files that TempInMemory replaces.
var disk = os.TempDir()

// TempInMemory makes /dev/shm the directory for temporary files of this process and of
// the programs that it starts, if 2 GB are free there and programs can run from it. On
// some file systems Postgres and its tests spend a third of their CPU time on creating
// and removing files. Call it from TestMain; Main does so.
func TempInMemory() {
	if quick() == memory {
		os.Setenv("TMPDIR", memory) // fails only for a name that is malformed
	}
}

// Dir returns a directory for a server that need not survive a power cut, and removes
// it when the test ends. The directory is in memory if there is room. The user that
// Postgres runs as can reach it even if root runs the tests; tb.TempDir's it cannot.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := makeDir(quick())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// makeDir makes a temporary directory in base.
func makeDir(base string) (string, error) {
	return os.MkdirTemp(base, fmt.Sprintf("%s%d-", prefix, os.Getpid()))
}

// quick returns the directory with the fastest file system.
func quick() string {
	if freeBytes(memory) >= room {
		return memory
	}
	return disk
}

// sweep removes the directories of test binaries that were killed or panicked before
// they could remove them.
func sweep() {
	for _, base := range []string{memory, disk} {
		dirs, _ := filepath.Glob(filepath.Join(base, prefix+"*"))
		for _, dir := range dirs {
			id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
			if pid, err := strconv.Atoi(id); err == nil && !alive(pid) {
				os.RemoveAll(dir)
			}
		}
	}
}

// alive reports whether a process with this id exists.
func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
