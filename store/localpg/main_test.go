package localpg_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
)

// ownerDir is an environment variable. It tells the test binary, started again as a
// child, to own a server in that directory instead of running tests.
const ownerDir = "LOCALPG_TEST_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		own(dir)
	}
	storetest.Main(m)
}

// own starts a server, prints "up" to standard output, and waits to be killed.
func own(dir string) {
	server, err := localpg.Start(context.Background(), localpg.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("up")
	io.Copy(io.Discard, os.Stdin)
	<-server.Done()
	os.Exit(1)
}

// start starts a server that is stopped when the test ends.
func start(tb testing.TB, cfg localpg.Config) *localpg.Server {
	tb.Helper()
	server, err := localpg.Start(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stop(tb, server) })
	return server
}

func stop(tb testing.TB, server *localpg.Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		tb.Error(err)
	}
}

// query runs one statement and returns its value, or "" if it returns no row.
func query(tb testing.TB, server *localpg.Server, sql string) string {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), server.DSN("tidings"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())

	rows, _ := conn.Query(tb.Context(), sql)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
