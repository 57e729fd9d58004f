package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// poolerStart bounds the time that the pooler takes to accept connections.
const poolerStart = 30 * time.Second

// NewPooler runs PgBouncer in transaction mode until the test ends, and returns a DSN that
// leads through it to the database of dsn. The pooler shares out size connections to each
// database. Settings ("name = value") replace those of the same name. The test is skipped
// if PgBouncer is not installed.
func NewPooler(tb testing.TB, dsn string, size int, settings ...string) (pooled string) {
	tb.Helper()
	program := findPooler(tb)
	direct, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	dir := Dir(tb)
	ini := filepath.Join(dir, "pgbouncer.ini")
	err = os.WriteFile(ini, fmt.Appendf(nil, `
[databases]
* = host=%s port=%d user=%s
[pgbouncer]
pool_mode = transaction
default_pool_size = %d
auth_type = any
listen_addr =
unix_socket_dir = %s
log_connections = 0
log_disconnections = 0
%s
`, direct.Host, direct.Port, direct.User, size, dir, strings.Join(settings, "\n")), 0o644)
	if err != nil {
		tb.Fatal(err)
	}

	// The shell ends the pooler when its input ends, even if this process is killed.
	args := append([]string{"-c", `"$0" "$@" & read -r _; kill $!; wait`, program, ini}, dropRoot(tb, direct.Host, dir)...)
	sh := exec.Command("/bin/sh", args...)
	sh.Stdout, sh.Stderr = tb.Output(), tb.Output()
	input, err := sh.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := sh.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		input.Close()
		if err := sh.Wait(); err != nil {
			tb.Error(err)
		}
	})
	pooled = fmt.Sprintf("postgres://%s@/%s?host=%s&port=6432", direct.User, direct.Database, url.QueryEscape(dir))
	waitForPooler(tb, pooled)
	return pooled
}

// waitForPooler waits until the pooler connects a client to Postgres.
func waitForPooler(tb testing.TB, pooled string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), poolerStart)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, pooled)
		if err == nil {
			conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("the pooler does not start: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// dropRoot returns the arguments that make the pooler run as the user of Postgres. The
// pooler refuses to run as root.
func dropRoot(tb testing.TB, socketDir, dir string) (args []string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(socketDir)
	if err != nil {
		tb.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	u, err := user.LookupId(strconv.Itoa(int(owner.Uid)))
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		tb.Fatal(err)
	}
	return []string{"--user=" + u.Username}
}

// findPooler returns the path of pgbouncer. It also looks in /usr/sbin, which may not be
// in PATH. make test installs it.
func findPooler(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	tb.Skip("pgbouncer is not installed: .ci/install pgbouncer")
	return ""
}
