package storetest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Replica is a streaming replica that a test can cut off and promote.
type Replica struct {
	*localpg.Server
	primary *localpg.Server
}

// NewReplica starts a replica of a server that NewServer made. The replica is stopped
// and its data removed when the test ends. The primary may be stopped or crashed before.
func NewReplica(tb testing.TB, primary *localpg.Server) *Replica {
	tb.Helper()
	dir := filepath.Join(primary.Dir(), "replica") // removed with the primary's
	if err := copyCluster(tb.Context(), primary, filepath.Join(dir, "data")); err != nil {
		tb.Fatal(err)
	}
	server, err := localpg.Start(tb.Context(), localpg.Config{Dir: dir, Settings: connections})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return &Replica{server, primary}
}

// copyCluster makes the data directory of a standby. The primary runs pg_basebackup, so
// that the files belong to the user of the primary.
func copyCluster(ctx context.Context, primary *localpg.Server, data string) error {
	basebackup, err := Program("pg_basebackup")
	if err != nil {
		return err
	}
	reach, err := pgx.ParseConfig(primary.DSN("postgres"))
	if err != nil {
		return err
	}
	command := []string{
		basebackup, "--pgdata", data, "--write-recovery-conf",
		"--checkpoint", "fast", "--no-sync", "--no-password",
		"--host", reach.Host, "--port", fmt.Sprint(reach.Port), "--username", reach.User,
	}
	for i, word := range command {
		command[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	conn, err := pgx.ConnectConfig(ctx, reach)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	literal := "'" + strings.ReplaceAll(strings.Join(command, " "), "'", "''") + "'"
	if _, err := conn.Exec(ctx, `copy (select) to program `+literal); err != nil {
		return fmt.Errorf("pg_basebackup: %w", err)
	}
	return nil
}

// Program returns the path of a client program of Postgres, of the version that the
// servers have.
func Program(name string) (path string, err error) {
	bin, _, err := localpg.Find()
	if err != nil {
		return "", err
	}
	// PATH may have only a link to the server: the other programs are in its target's
	// directory.
	server, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", err
	}
	for _, dir := range []string{bin, filepath.Dir(server)} {
		if path, err = exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// EitherDSN returns a DSN with both servers, the primary first.
func (r *Replica) EitherDSN(database string) string {
	primary, replica := r.primary.DSN(database), r.DSN(database)
	_, host, _ := strings.Cut(replica, "host=")
	host, _, _ = strings.Cut(host, "&")
	return strings.Replace(primary, "&port=", "%2C"+host+"&port=", 1)
}

// Cut waits until the replica has replayed all that the primary has committed, and then
// ends the replication.
func (r *Replica) Cut(tb testing.TB) {
	tb.Helper()
	primary, replica := connect(tb, r.primary), connect(tb, r.Server)
	var written string
	scan(tb, primary, &written, `select pg_current_wal_flush_lsn()::text`)
	await(tb, replica, `select pg_last_wal_replay_lsn() >= '`+written+`'`)
	// Pausing the replay would not be enough: a promotion ends the pause and replays the
	// WAL that was received.
	for _, sql := range []string{`alter system set primary_conninfo = ''`, `select pg_reload_conf()`} {
		if _, err := replica.Exec(tb.Context(), sql); err != nil {
			tb.Fatal(err)
		}
	}
	await(tb, replica, `select not exists (select from pg_stat_wal_receiver)`)
}

// Promote makes the replica a primary.
func (r *Replica) Promote(tb testing.TB) {
	tb.Helper()
	await(tb, connect(tb, r.Server), `select pg_promote()`)
}

func connect(tb testing.TB, server *localpg.Server) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), server.DSN("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func scan(tb testing.TB, conn *pgx.Conn, into any, sql string) {
	tb.Helper()
	if err := conn.QueryRow(tb.Context(), sql).Scan(into); err != nil {
		tb.Fatal(err)
	}
}

// await waits until the query returns true.
func await(tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	streamtest.Eventually(tb, sql, func() (holds bool) {
		scan(tb, conn, &holds, sql)
		return holds
	})
}
