package migrations_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// patience bounds each statement and each wait of a test.
const patience = 2 * time.Minute

// connect opens a session that ends with the test.
func connect(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// database opens a session in a new migrated database.
func database(tb testing.TB) (conn *pgx.Conn, dsn string) {
	tb.Helper()
	return storetest.Connect(tb)
}

// try runs SQL. Without arguments, all statements are sent in one message.
func try(tb testing.TB, conn *pgx.Conn, sql string, args ...any) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	if len(args) == 0 {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		return err
	}
	_, err := conn.Exec(ctx, sql, args...)
	return err
}

// exec runs SQL and ends the test if it fails.
func exec(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	if err := try(tb, conn, sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, explain(err))
	}
}

// refused runs SQL, ends the test unless it fails with an SQLSTATE, and returns the error.
func refused(tb testing.TB, conn *pgx.Conn, code, sql string, args ...any) *pgconn.PgError {
	tb.Helper()
	err := try(tb, conn, sql, args...)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != code {
		tb.Fatalf("%s: %v, want SQLSTATE %s", sql, explain(err), code)
	}
	return pg
}

// explain adds detail, hint and context to an error of Postgres.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return errors.Join(err, errors.New(pg.Detail+" "+pg.Hint+" "+pg.Where))
	}
	return err
}

// value runs a query that returns one value.
func value[T any](tb testing.TB, conn *pgx.Conn, sql string, args ...any) (v T) {
	tb.Helper()
	if err := conn.QueryRow(tb.Context(), sql, args...).Scan(&v); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return v
}

// list runs a query that returns one column.
func list[T any](tb testing.TB, conn *pgx.Conn, sql string, args ...any) []T {
	tb.Helper()
	rows, _ := conn.Query(tb.Context(), sql, args...) // CollectRows returns the error
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return all
}

// head returns the last position of the log.
func head(tb testing.TB, conn *pgx.Conn) int64 {
	tb.Helper()
	return value[int64](tb, conn, `select tidings.head()`)
}

// since lists the events after a position, each as "topic name".
func since(tb testing.TB, conn *pgx.Conn, position int64) []string {
	tb.Helper()
	return list[string](tb, conn, `
		select topic || ' ' || name
		from tidings.log
		where position > $1
		order by position`, position)
}

// full lists the events after a position, each as "topic name data".
func full(tb testing.TB, conn *pgx.Conn, position int64) []string {
	tb.Helper()
	return list[string](tb, conn, `
		select topic || ' ' || name || ' ' || data
		from tidings.log
		where position > $1
		order by position`, position)
}

// await runs a query until it returns true.
func await(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	Eventually(tb, sql, func() bool { return value[bool](tb, conn, sql, args...) })
}

// awaitBlocked waits until a session waits for a lock of another session.
func awaitBlocked(tb testing.TB, watch, blocked, by *pgx.Conn) {
	tb.Helper()
	Eventually(tb, "a session waits for the other", func() bool { return isBlocked(tb, watch, blocked, by) })
}

// isBlocked reports whether a session waits for a lock of another session. A wait for any
// lock would prove less: a commit with NOTIFY takes a lock of the whole server, so it also
// waits for the commits in the databases of other tests.
func isBlocked(tb testing.TB, watch, blocked, by *pgx.Conn) bool {
	tb.Helper()
	return value[bool](tb, watch, `select $1::int = any(pg_blocking_pids($2::int))`, by.PgConn().PID(), blocked.PgConn().PID())
}

// turnIsTaken reports whether a session of the database holds the turn. The database is
// part of the condition because copies of one template have the same OIDs.
func turnIsTaken(tb testing.TB, watch *pgx.Conn) bool {
	tb.Helper()
	return value[bool](tb, watch, `
		select exists (
			select from pg_locks
			where relation = 'tidings.turn'::regclass and mode = 'ExclusiveLock' and granted
				and database = (select oid from pg_database where datname = current_database())
		)`)
}

// start runs SQL in the background. The test does not end before the SQL does.
func start(tb testing.TB, conn *pgx.Conn, sql string, args ...any) <-chan error {
	done, over := make(chan error, 1), make(chan struct{})
	go func() {
		done <- try(tb, conn, sql, args...)
		close(over)
	}()
	tb.Cleanup(func() { <-over }) // cleanups run in reverse order: before the session is closed
	return done
}

// comment is the shortest INSERT of a comment.
const comment = `insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'hello')`

// split returns the parts of "a b".
func split(pair string) (a, b string) {
	a, b, _ = strings.Cut(pair, " ")
	return a, b
}

// role creates a role that may log in and nothing else. Roles belong to the server, so
// the name contains the name of the database.
func role(tb testing.TB, admin *pgx.Conn) (name, dsn string) {
	tb.Helper()
	name = admin.Config().Database + "_app"
	exec(tb, admin, `create role `+name+` login`)
	address, err := url.Parse(admin.Config().ConnString())
	if err != nil {
		tb.Fatal(err)
	}
	address.User = url.User(name)
	return name, address.String()
}

// A shared is a database for tests that run one after another, with its sessions. Each test
// finds it empty. That costs less CPU time than a database and sessions for each test.
type shared []*pgx.Conn

// share makes a database with so many sessions for the subtests of t.
func share(t *testing.T, sessions int) shared {
	t.Helper()
	conn, dsn := database(t)
	s := shared{conn}
	for len(s) < sessions {
		s = append(s, connect(t, dsn))
	}
	return s
}

// again empties the database, and returns its first session.
func (s shared) again(t *testing.T) *pgx.Conn {
	t.Helper()
	for _, conn := range s {
		exec(t, conn, `rollback; close all; reset all; unlisten *; select pg_advisory_unlock_all()`)
	}
	storetest.Clear(t, s[0])
	return s[0]
}
