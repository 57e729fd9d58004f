package migrations_test

import (
	osexec "os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// epoch is a row of tidings.epochs.
type epoch struct{ Number, StartedAfter int64 }

// microseconds is the first number that an epoch can have now: it was 2001.
const microseconds = 1_000_000_000_000_000

func epochs(t *testing.T, conn *pgx.Conn) []epoch {
	t.Helper()
	rows, _ := conn.Query(t.Context(), `select epoch, started_after from tidings.epochs order by epoch`)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[epoch])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEpochs_BeginWhenTheHistoryChanges(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	t.Run("TheFirstIsNumberedByTheClock", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Empty(t)
		Must(t, migrations.Up(t.Context(), dsn, silent))
		conn := connect(t, dsn)
		exec(t, conn, comment)
		if got := epochs(t, conn); len(got) != 1 || got[0].Number < microseconds || got[0].Number >= 1<<53 || got[0].StartedAfter != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("ASchemaThatIsCreatedAgain", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Empty(t)
		Must(t, migrations.Up(t.Context(), dsn, silent))
		conn := connect(t, dsn)
		exec(t, conn, comment)
		first := epochs(t, conn)
		exec(t, conn, `drop schema tidings cascade`)
		Must(t, migrations.Up(t.Context(), dsn, silent))
		exec(t, conn, comment)
		if got := epochs(t, conn); len(got) != 1 || got[0].Number <= first[0].Number {
			t.Errorf("got %v after %v", got, first)
		}
	})
	t.Run("ACopyOfATemplate", func(t *testing.T) {
		t.Parallel()
		conn, _ := database(t)
		exec(t, conn, comment)
		end, name := head(t, conn), conn.Config().Database
		Must(t, conn.Close(t.Context()))
		admin := connect(t, storetest.Server().DSN("postgres"))
		exec(t, admin, `create database `+name+`_copy template `+name)
		copied := connect(t, storetest.Server().DSN(name+"_copy"))
		exec(t, copied, comment)
		exec(t, copied, comment)
		got := epochs(t, copied)
		if len(got) != 2 || got[0] != (epoch{1, 0}) || got[1].StartedAfter != end || got[1].Number < microseconds {
			t.Errorf("got %v, want a second epoch after %d", got, end)
		}
		Must(t, copied.Close(t.Context()))
		exec(t, admin, `drop database `+name+`_copy`)
		conn = connect(t, storetest.Server().DSN(name))
		exec(t, conn, comment)
		if got := epochs(t, conn); len(got) != 1 {
			t.Errorf("the original has the epochs %v", got)
		}
	})
	t.Run("NotOtherwise", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, comment)
		for _, sql := range []string{`select pg_switch_wal()`, `checkpoint`, `vacuum full tidings.events`, `vacuum freeze tidings.epochs`} {
			exec(t, conn, sql)
		}
		exec(t, db[1], comment)
		exec(t, conn, `delete from tidings.events`)
		exec(t, conn, comment)
		if got, want := epochs(t, conn), []epoch{{1, 0}}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	for name, elsewhere := range map[string]string{
		"AnotherTimeline": `timeline = '00000000'`,
		"AnotherCluster":  `system_identifier = 1`,
		"AnotherTable":    `events_oid = 1`,
		"AnotherDatabase": `database_oid = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, comment)
			end := head(t, conn)
			exec(t, conn, `update tidings.epochs set `+elsewhere)
			exec(t, conn, `insert into tidings.users (id, name) values ('zoe', 'Zoe')`) // no event
			exec(t, conn, comment)
			exec(t, conn, comment)
			got := epochs(t, conn)
			if len(got) != 2 || got[1].Number < microseconds || got[1].StartedAfter != end {
				t.Errorf("got %v, want a second with a number by the clock, after %d", got, end)
			}
		})
	}
	t.Run("NewEpochBeginsOne", func(t *testing.T) {
		conn, listener := db.again(t), db[1]
		exec(t, conn, comment)
		exec(t, listener, `listen tidings_log`)
		first := value[int64](t, conn, `select tidings.new_epoch()`)
		if _, err := listener.WaitForNotification(t.Context()); err != nil {
			t.Error(err)
		}
		second := value[int64](t, conn, `select tidings.new_epoch()`)
		if got, want := epochs(t, conn), []epoch{{1, 0}, {first, 2}, {second, 2}}; !slices.Equal(got, want) || second <= first {
			t.Errorf("got %v, want %v", got, want)
		}
		exec(t, conn, comment)
		if got := len(epochs(t, conn)); got != 3 {
			t.Errorf("%d epochs, want 3", got)
		}
	})
	t.Run("ARolledBackCommitBeginsNone", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, comment)
		exec(t, conn, `update tidings.epochs set system_identifier = 1`)
		exec(t, conn, `begin; `+comment+`; rollback`)
		if got := len(epochs(t, conn)); got != 1 {
			t.Errorf("%d epochs, want 1", got)
		}
		exec(t, conn, `alter table tidings.events add constraint none check (false) not valid`)
		refused(t, conn, "23514", `begin; select tidings.new_epoch(); `+comment+`; commit`)
		exec(t, conn, `rollback`)
		refused(t, conn, "23514", comment) // fails after it has noted an epoch
		exec(t, conn, `alter table tidings.events drop constraint none`)
		exec(t, conn, comment)
		exec(t, conn, comment)
		if got := len(epochs(t, conn)); got != 2 {
			t.Errorf("%d epochs, want 2", got)
		}
	})
}

// A dump that is restored in another database continues after the last position of the
// dump, in a new epoch, and has all objects of the original.
func TestEpochs_ARestoredDumpBeginsOne(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, ann+`insert into tidings.posts (id, author_id) values ('p', 'pia');`+comment+`;`+comment+`;`+like)
	exec(t, conn, `delete from tidings.events where position <= 2`)
	end := head(t, conn)
	copied := storetest.Empty(t)
	restore(t, dsn, copied)

	restored := connect(t, copied)
	const catalog = `
		select concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgdeferrable, tginitdeferred, tgfoid::regproc)
		from pg_trigger where not tgisinternal
		union all
		select concat_ws(' ', oid::regprocedure, proacl, proconfig, prosecdef) from pg_proc where pronamespace = 'tidings'::regnamespace
		union all
		select concat_ws(' ', relname, relpersistence) from pg_class where relnamespace = 'tidings'::regnamespace
		order by 1`
	if want, got := list[string](t, conn, catalog), list[string](t, restored, catalog); !slices.Equal(got, want) {
		t.Errorf("restored is\n%q, original\n%q", got, want)
	}

	exec(t, conn, comment) // in the original
	exec(t, restored, `begin isolation level repeatable read; select from tidings.counts; `+comment)
	exec(t, restored, `commit`)
	got := epochs(t, restored)
	if len(got) != 2 || got[0] != (epoch{1, 0}) || got[1].StartedAfter != end {
		t.Errorf("got %v, want a second after %d", got, end)
	}
	if len(epochs(t, conn)) != 1 {
		t.Error("the original has a new epoch")
	}
	first := value[int64](t, restored, `select min(position) from tidings.events where position > $1`, end)
	if first != end+1 {
		t.Errorf("the first event after the restore has position %d, want %d", first, end+1)
	}
	floor := value[int64](t, restored, `select position from tidings.floor`)
	if floor != 2 {
		t.Errorf("the floor is %d, want 2", floor)
	}
	countsAreRight(t, restored)
	leavesNothing(t, restored)
}

func restore(t *testing.T, from, to string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dump.sql")
	for _, command := range [][]string{
		{"pg_dump", "--dbname", from, "--file", file},
		{"psql", "--dbname", to, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file},
	} {
		if out, err := osexec.CommandContext(t.Context(), program(t, command[0]), command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
}

// program finds a program of Postgres: in the folder of the server, where links point, or
// else in PATH.
func program(t *testing.T, name string) string {
	t.Helper()
	bin, _, err := localpg.Find()
	if err != nil {
		t.Fatal(err)
	}
	if server, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres")); err == nil {
		bin = filepath.Dir(server)
	}
	for _, candidate := range []string{filepath.Join(bin, name), name} {
		if path, err := osexec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skip(name, " is not installed")
	return ""
}
