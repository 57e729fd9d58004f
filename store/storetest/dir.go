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
	// memory is where Linux has a file system in memory. A copy of a database is 300
	// files: there it takes 10 ms, on a disk up to 300.
	memory = "/dev/shm"

	// room is how much of it must be free; in a container it may have 64 MB in all.
	room = 2 << 30

	// prefix begins the names of our temporary directories; the process id follows.
	prefix = "tidings-test-"
)

// Dir returns a directory for a server that need not survive a power cut, in memory
// if there is room, and removes it when the test ends. Unlike tb.TempDir's, its
// parent is open to the user that Postgres runs as when root runs the tests.
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

// quick is where files are made fastest.
func quick() string {
	if freeBytes(memory) >= room {
		return memory
	}
	return os.TempDir()
}

// sweep removes the directories of test binaries that were killed, or panicked, and
// so could not do it themselves.
func sweep() {
	for _, base := range []string{memory, os.TempDir()} {
		dirs, _ := filepath.Glob(filepath.Join(base, prefix+"*"))
		for _, dir := range dirs {
			id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
			if pid, err := strconv.Atoi(id); err == nil && !alive(pid) {
				os.RemoveAll(dir)
			}
		}
	}
}

func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
