package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// ours are the sessions of the instances in the database.
const ours = `from pg_stat_activity where datname = current_database() and application_name in ('tidings', 'tidings log', 'tidings listen')`

// A disturbance is what providers, operators and other programs do to a database while it
// is used. It returns when all of its effects are over.
type disturbance func(*testing.T, *hosted, *load)

// Readers and writers of two instances get through each disturbance without a restart.
func TestHosted_Disturbances(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.migrate(t)
	h.getsThrough(t, map[string]disturbance{
		"SessionsTerminated": terminateAgainAndAgain,
		"TablesRewritten":    rewriteTables,
		"TablesLocked":       lockTables,
		"ReadOnly":           readOnly,
		"ConnectionsUsedUp":  useUpConnections,
		"OwnerChanged":       changeOwner,
	})
}

// getsThrough starts two instances, and disturbs their database in each way, while readers
// read and writers write. At the end everything works.
func (h *hosted) getsThrough(t *testing.T, ways map[string]disturbance) {
	t.Helper()
	servers := []*server{h.start(t), h.start(t)}
	for name, disturb := range ways {
		t.Run(name, func(t *testing.T) {
			l := h.load(t, servers...)
			l.awaitWritten(t, 10)
			disturb(t, h, l)
			l.awaitWritten(t, 10)
			for _, srv := range servers {
				srv.awaitReady(t)
			}
			l.end(t)
		})
	}
	h.check(t, servers...)
}

func terminateAgainAndAgain(t *testing.T, h *hosted, l *load) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for killed := 0; killed < 30; <-tick.C {
		killed += value[int](t, h.admin, `select count(pg_terminate_backend(pid)) `+ours)
		l.awaitWritten(t, 1)
	}
}

// rewriteTables does what maintenance does. pg_repack takes the same locks, and also puts
// new files in the place of the old ones.
func rewriteTables(t *testing.T, h *hosted, l *load) {
	for _, statements := range []string{
		`select format('vacuum full analyze tidings.%I', relname) ` + ourTables,
		`select format('reindex table tidings.%I', relname) ` + ourTables,
		`select format('cluster tidings.%I using %s', relname, (select relname from pg_class i where i.oid = indexrelid)) ` +
			strings.Replace(ourTables, "where", "join pg_index on indrelid = c.oid and indisprimary where", 1),
	} {
		for _, sql := range h.texts(t, statements) {
			h.maintain(t, sql)
		}
		l.awaitWritten(t, 1)
	}
}

// ourTables is the end of a query of the tables of the schema.
const ourTables = `from pg_class c where relnamespace = 'tidings'::regnamespace and relkind = 'r'`

// texts returns the rows of a query with one text.
func (h *hosted) texts(t *testing.T, sql string) []string {
	t.Helper()
	rows, _ := h.admin.sql.Query(patient(t), sql)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	streamtest.Must(t, err)
	return found
}

// maintain runs a statement of the operator that locks tables.
func (h *hosted) maintain(t *testing.T, sql string) {
	t.Helper()
	repeatDeadlocks(t, func() error {
		_, err := h.admin.sql.Exec(patient(t), sql)
		return err
	})
}

// repeatDeadlocks calls do until it is not the victim of a deadlock: maintenance locks a
// table and its indexes one after another.
func repeatDeadlocks(t *testing.T, do func() error) {
	t.Helper()
	for {
		var pg *pgconn.PgError
		if err := do(); !errors.As(err, &pg) || pg.Code != pgerrcode.DeadlockDetected {
			streamtest.Must(t, err)
			return
		}
	}
}

// lockTables holds all tables until a session of ours has waited for longer than reads of
// the log wait.
func lockTables(t *testing.T, h *hosted, _ *load) {
	lock := `lock table ` + strings.Join(h.texts(t, `select format('tidings.%I', relname) `+ourTables), ", ") + ` in access exclusive mode`
	repeatDeadlocks(t, func() error { return h.hold(t, "1.5 s", lock, func() {}) })
}

// hold runs a statement, calls meanwhile, and keeps the locks of the statement until a
// session of ours has waited for a time.
func (h *hosted) hold(t *testing.T, interval, sql string, meanwhile func()) error {
	t.Helper()
	return pgx.BeginFunc(patient(t), h.admin.sql, func(tx pgx.Tx) error {
		if _, err := tx.Exec(patient(t), sql); err != nil {
			return err
		}
		meanwhile()
		streamtest.Eventually(t, "a session waits for "+interval, func() bool {
			return value[bool](t, h.admin, `select count(*) > 0 `+ours+` and wait_event_type = 'Lock' and query_start < clock_timestamp() - $1::interval`, interval)
		})
		return nil
	})
}

// readOnly is what providers do when a disk is nearly full.
func readOnly(t *testing.T, h *hosted, l *load) {
	terminate := func() { h.admin.exec(t, `select pg_terminate_backend(pid) `+ours) }
	h.admin.exec(t, fmt.Sprintf(`alter database %s set default_transaction_read_only = on`, h.database))
	terminate()
	l.awaitRefused(t, "read-only")
	for _, srv := range l.servers { // reading goes on
		_, err := srv.Comments(t.Context(), l.post, client.ListOptions{})
		streamtest.Must(t, err)
		srv.awaitReady(t)
	}
	h.admin.exec(t, fmt.Sprintf(`alter database %s reset default_transaction_read_only`, h.database))
	terminate()
}

func useUpConnections(t *testing.T, h *hosted, l *load) {
	limit := func(n int) { h.admin.exec(t, fmt.Sprintf(`alter role %s connection limit %d`, h.owner, n)) }
	limit(0)
	h.admin.exec(t, `select pg_terminate_backend(pid) `+ours)
	l.awaitRefused(t, "no free connection")
	l.awaitReadiness(t, "the database has no free connection")
	limit(-1)
}

// useUpServer opens connections of another role until the server has no other, and takes
// those of Tidings as well.
func useUpServer(t *testing.T, h *hosted, l *load) {
	var others []*pgx.Conn
	take := func() {
		for {
			conn, err := pgx.Connect(patient(t), roleDSN(h.admin.dsn, h.writer))
			if err != nil {
				return
			}
			others = append(others, conn)
		}
	}
	const reason = "the database has no free connection"
	streamtest.Eventually(t, "no connection is left", func() bool {
		h.admin.exec(t, `select pg_terminate_backend(pid) `+ours)
		take()
		return l.refusals(reason) > 0 && readiness(t, l.servers[0]) == reason
	})
	for _, conn := range others {
		streamtest.Must(t, conn.Close(patient(t)))
	}
}

func changeOwner(t *testing.T, h *hosted, l *load) {
	other := h.role(t, "other")
	h.maintain(t, fmt.Sprintf(`reassign owned by %s to %s`, h.owner, other))
	l.awaitRefused(t, "lacks rights")
	l.awaitReadiness(t, "the server's role does not own the schema")
	h.maintain(t, fmt.Sprintf(`reassign owned by %s to %s`, other, h.owner))
}

// An instance whose role may open fewer connections than the instance asks for serves
// everything, although its requests take each connection that becomes free.
func TestHosted_FewConnections(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.migrate(t)
	few := h.role(t, "few")
	h.admin.exec(t, fmt.Sprintf(`grant %s to %s; alter role %[2]s connection limit 4`, h.owner, few))
	srv := h.start(t, at(roleDSN(h.admin.dsn, few)))
	for range 4 { // with the writers, more than the connections
		inBackground(t, func(ctx context.Context) error {
			return every(ctx, time.Millisecond, func() error {
				_, err := srv.Counts(ctx, "a")
				return err
			})
		})
	}
	l := h.load(t, srv)
	for range 2 {
		h.admin.exec(t, `select pg_terminate_backend(pid) `+ours+` and application_name <> 'tidings'`)
		l.awaitWritten(t, 2)
		srv.awaitReady(t)
	}
	l.end(t)
	h.check(t, srv)
}

// A server that is killed, and whose settings are changed while it runs, loses nothing.
func TestHosted_ServerDisturbances(t *testing.T) {
	t.Parallel()
	server := privateServer(t, map[string]string{"max_connections": "50"})
	h := hostAt(t, server, "app")
	h.migrate(t)
	h.admin.exec(t, storetest.Trap)
	h.getsThrough(t, map[string]disturbance{
		"PostmasterKilled": func(t *testing.T, h *hosted, l *load) {
			pid, err := os.ReadFile(filepath.Join(server.Dir(), "data", "postmaster.pid"))
			streamtest.Must(t, err)
			first, _, _ := strings.Cut(string(pid), "\n")
			var id int
			_, err = fmt.Sscan(first, &id)
			streamtest.Must(t, err)
			streamtest.Must(t, syscall.Kill(id, syscall.SIGKILL))
			l.awaitRefused(t, "")
			<-server.Done()
			streamtest.Must(t, server.Restart(t.Context()))
		},
		"SettingsReloaded": func(t *testing.T, h *hosted, l *load) {
			h.reload(t, storetest.SiteSettings...)
			l.awaitWritten(t, 20)
			h.reload(t)
		},
		"ReadOnlyReloaded": func(t *testing.T, h *hosted, l *load) {
			h.reload(t, "default_transaction_read_only = on")
			l.awaitRefused(t, "read-only")
			h.reload(t)
		},
		"MaxConnections": useUpServer,
	})
}

// reload replaces all settings that ALTER SYSTEM has made, in running sessions as well.
func (h *hosted) reload(t *testing.T, settings ...string) {
	t.Helper()
	conn, err := h.admin.sql.Acquire(patient(t))
	streamtest.Must(t, err)
	defer conn.Release()
	statements := []string{`load 'plpgsql'`, `alter system reset all`} // plpgsql has settings of its own
	for _, setting := range settings {
		statements = append(statements, `alter system set `+setting)
	}
	for _, sql := range append(statements, `select pg_reload_conf()`) {
		_, err := conn.Exec(patient(t), sql)
		streamtest.Must(t, err)
	}
}

// reset closes the connections of the test, which may be broken.
func (h *hosted) reset() {
	h.sql.Reset()
	h.admin.sql.Reset()
	h.programs.Reset()
}

// awaitReadiness waits until no instance is ready, for the same reason.
func (l *load) awaitReadiness(t *testing.T, detail string) {
	t.Helper()
	for _, srv := range l.servers {
		streamtest.Eventually(t, "/readyz says: "+detail, func() bool { return readiness(t, srv) == detail })
	}
}

// readiness returns why an instance is not ready, and "" if it is.
func readiness(t *testing.T, srv *server) string {
	t.Helper()
	answer := srv.get(t, "/readyz", nil)
	defer answer.Body.Close()
	var body struct{ Detail string }
	streamtest.Must(t, json.NewDecoder(answer.Body).Decode(&body))
	return body.Detail
}
