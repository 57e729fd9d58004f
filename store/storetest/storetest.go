package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/store/localpg"
)

// started returns the rig of this test binary. The first call starts it, so that tests
// without a database need no server.
var started = sync.OnceValues(startRig)

// used is true if there is a rig that Main has to stop.
var used bool

// Main runs the tests of a package with temporary files in memory, stops the shared
// server if a test has started it, and reports goroutines that were left running as a
// failure. Call it from TestMain. It does not return.
func Main(m *testing.M, stops ...func() error) {
	TempInMemory()
	code := m.Run()
	errs := []error{stopRig(), removePristine()}
	for _, stop := range stops {
		errs = append(errs, stop())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Database returns the DSN of a new, migrated database that no other test uses. The
// database is dropped when the test ends, even if sessions are still connected.
func Database(tb testing.TB) string {
	tb.Helper()
	conn, dsn := Connect(tb)
	conn.Close(context.Background())
	return dsn
}

// Empty returns the DSN of a new database without the schema of Tidings. The database
// is dropped when the test ends, even if sessions are still connected.
func Empty(tb testing.TB) string {
	tb.Helper()
	return database(tb, "template1")
}

func database(tb testing.TB, from string) string {
	tb.Helper()
	r, err := started()
	if err != nil {
		tb.Fatal(err)
	}
	name, err := r.create(from)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.drop(name); err != nil {
			tb.Error(err)
		}
	})
	return r.server.DSN(name)
}

// Server returns the shared server, and panics if it does not start. Other tests use
// it at the same time, so a test must not stop, crash or restart it: use NewServer.
func Server() *localpg.Server {
	r, err := started()
	if err != nil {
		panic(err)
	}
	return r.server
}

// NewServer starts a server that only this test uses, so that the test may crash and
// restart it. It has the settings of production: commits are durable. Its database
// "tidings" is empty. The server is stopped and its data removed when the test ends.
func NewServer(tb testing.TB) *localpg.Server {
	tb.Helper()
	return newServer(tb, quick())
}

// NewDiskServer is NewServer with the data on a disk, for benchmarks: in memory, the
// flush of a commit takes no time.
func NewDiskServer(tb testing.TB) *localpg.Server {
	tb.Helper()
	return newServer(tb, disk)
}

func newServer(tb testing.TB, base string) *localpg.Server {
	tb.Helper()
	dir, err := makeDir(base)
	if err != nil {
		tb.Fatal(err)
	}
	copyPristine(tb, dir)
	server, err := localpg.Start(tb.Context(), localpg.Config{Dir: dir, Settings: connections})
	if err != nil {
		os.RemoveAll(dir)
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := discard(server, dir); err != nil {
			tb.Error(err)
		}
	})
	return server
}

// discard stops a server and removes its files.
func discard(server *localpg.Server, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(server.Dir()); err != nil { // is not dir if Postgres cannot reach dir
		return err
	}
	return os.RemoveAll(dir)
}
