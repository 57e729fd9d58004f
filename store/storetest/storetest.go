package storetest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/store/localpg"
)

// started is the rig of this test binary. It starts with the first test that needs
// it, so that a package's pure tests stay quick.
var started = sync.OnceValues(startRig)

// used tells Main that there is a rig to stop.
var used bool

// Main runs the tests of a package, stops the shared server if one of them started
// it, and fails the package for goroutines left behind. It does not return. Call it
// from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if err := stopRig(); err != nil {
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

// Database returns the DSN of a fresh, migrated database that is the test's alone.
// It is dropped when the test ends, whoever is connected.
func Database(tb testing.TB) string {
	tb.Helper()
	return database(tb, template)
}

// Empty returns the DSN of a fresh database without our schema, on the same terms.
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

// Server returns the shared server, to look at, and panics if it does not start.
// Other tests use it at the same time: whoever wants to stop, crash or restart one
// takes NewServer.
func Server() *localpg.Server {
	r, err := started()
	if err != nil {
		panic(err)
	}
	return r.server
}

// NewServer starts a server of the test's own, to crash and restart at will: it is
// durable and on disk, as in production. Its database "tidings" is empty. It is stopped, and its
// data removed, when the test ends.
func NewServer(tb testing.TB) *localpg.Server {
	tb.Helper()
	dir, err := makeDir(os.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
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

// discard stops a server and removes what it leaves.
func discard(server *localpg.Server, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(server.Dir()); err != nil { // may be elsewhere than dir
		return err
	}
	return os.RemoveAll(dir)
}
