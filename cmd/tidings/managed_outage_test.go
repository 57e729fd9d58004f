package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// ours are the sessions of the instances in the database.
const ours = `from pg_stat_activity where datname = current_database() and application_name in ('tidings', 'tidings log', 'tidings listen')`

// A disturbance is what providers, operators and other programs do to a database while it
// is used. It returns when all of its effects are over.
var disturbances = map[string]func(*testing.T, *hosted, *load){
	"SessionsTerminated": terminateAgainAndAgain,
	"TablesRewritten":    rewriteTables,
	"TablesLocked":       lockTables,
	"ReadOnly":           readOnly,
	"ConnectionsUsedUp":  useUpConnections,
	"OwnerChanged":       changeOwner,
}

// Readers and writers of two instances get through each disturbance without a restart.
func TestHosted_Disturbances(t *testing.T) {
	t.Parallel()
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			h.migrate(t)
			h.getsThrough(t, disturb)
		})
	}
}

// getsThrough runs a disturbance beside two instances with readers and writers.
func (h *hosted) getsThrough(t *testing.T, disturb func(*testing.T, *hosted, *load)) {
	t.Helper()
	servers := []*server{h.start(t), h.start(t)}
	l := h.load(t, servers...)
	l.awaitWritten(t, 10)
	disturb(t, h, l)
	l.awaitWritten(t, 10)
	for _, srv := range servers {
		srv.awaitReady(t)
	}
	l.end(t)
	h.check(t, servers...)
}

func terminateAgainAndAgain(t *testing.T, h *hosted, l *load) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for killed := 0; killed < 50; <-tick.C {
		killed += value[int](t, h.admin, `select count(pg_terminate_backend(pid)) `+ours)
		l.awaitWritten(t, 1)
	}
}

// rewriteTables does what maintenance does. pg_repack takes the same locks, and also puts
// new files in the place of the old ones.
func rewriteTables(t *testing.T, h *hosted, l *load) {
	for _, sql := range []string{`vacuum full analyze tidings.%I`, `reindex table tidings.%I`, `cluster tidings.%I using %I`} {
		for _, statement := range h.texts(t, fmt.Sprintf(`
			select format('%s', c.relname, i.relname)
			from pg_class c
			left join pg_index on indrelid = c.oid and indisprimary
			left join pg_class i on i.oid = indexrelid
			where c.relnamespace = 'tidings'::regnamespace and c.relkind = 'r' and (i.oid is not null or '%[1]s' not like 'cluster%%')`, sql)) {
			h.admin.exec(t, statement)
		}
		l.awaitWritten(t, 1)
	}
}

// texts returns the rows of a query with one text.
func (h *hosted) texts(t *testing.T, sql string) []string {
	t.Helper()
	return value[[]string](t, h.admin, `select array_agg(text) from (`+sql+`) as q (text)`)
}

// lockTables holds all tables until a session of ours has waited for longer than reads of
// the log wait.
func lockTables(t *testing.T, h *hosted, _ *load) {
	tx, err := h.admin.sql.Begin(patient(t))
	streamtest.Must(t, err)
	for _, table := range h.texts(t, `select format('tidings.%I', relname) from pg_class where relnamespace = 'tidings'::regnamespace and relkind = 'r'`) {
		_, err = tx.Exec(patient(t), `lock table `+table+` in access exclusive mode`)
		streamtest.Must(t, err)
	}
	streamtest.Eventually(t, "sessions wait for 1.5 s", func() bool {
		return value[bool](t, h.admin, `select count(*) > 0 `+ours+` and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '1.5 s'`)
	})
	streamtest.Must(t, tx.Rollback(patient(t)))
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

func changeOwner(t *testing.T, h *hosted, l *load) {
	other := h.role(t, "other")
	h.admin.exec(t, fmt.Sprintf(`reassign owned by %s to %s`, h.owner, other))
	l.awaitRefused(t, "lacks rights")
	l.awaitReadiness(t, "the server's role does not own the schema")
	h.admin.exec(t, fmt.Sprintf(`reassign owned by %s to %s`, other, h.owner))
}

// A server that is killed, and whose settings are changed while it runs, loses nothing.
func TestHosted_ServerDisturbances(t *testing.T) {
	t.Parallel()
	server := privateServer(t, nil)
	h := hostAt(t, server, "app")
	h.migrate(t)
	t.Run("PostmasterKilled", func(t *testing.T) {
		h.getsThrough(t, func(t *testing.T, h *hosted, l *load) {
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
		})
	})
	t.Run("SettingsReloaded", func(t *testing.T) {
		h.getsThrough(t, func(t *testing.T, h *hosted, l *load) {
			for name, setting := range map[string]string{"search_path": "''", "statement_timeout": "'1ms'"} {
				h.admin.exec(t, fmt.Sprintf(`alter system set %s = %s`, name, setting))
			}
			h.admin.exec(t, `select pg_reload_conf()`)
			l.awaitWritten(t, 20)
			h.admin.exec(t, `alter system reset all`)
			h.admin.exec(t, `select pg_reload_conf()`)
		})
	})
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
		var body struct{ Detail string }
		streamtest.Eventually(t, "/readyz says: "+detail, func() bool {
			answer := srv.get(t, "/readyz", nil)
			defer answer.Body.Close()
			streamtest.Must(t, json.NewDecoder(answer.Body).Decode(&body))
			return body.Detail == detail
		})
	}
}
