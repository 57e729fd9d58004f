package migrations_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

var silent = slog.New(slog.DiscardHandler)

// works fails the test if a comment does not lead to its two events.
func works(t *testing.T, dsn string) {
	t.Helper()
	conn := connect(t, dsn)
	before := head(t, conn)
	exec(t, conn, comment)
	if got := since(t, conn, before); len(got) != 2 {
		t.Errorf("a comment leads to %q", got)
	}
}

func TestUp_TenAtOnceAllSucceed(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := migrations.Up(t.Context(), dsn, silent); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	works(t, dsn)
}

// objects identifies each version of each object of the database.
const objects = `
	select string_agg(concat(classid, objid, c.xmin, p.xmin, t.xmin), ' ' order by classid, objid)
	from pg_depend
	left join pg_class c on c.oid = objid
	left join pg_proc p on p.oid = objid
	left join pg_trigger t on t.oid = objid
	where objid >= 16384`

func TestUp_AgainChangesNothing(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	before := value[string](t, conn, objects)
	if err := migrations.Up(t.Context(), dsn, silent); err != nil {
		t.Fatal(err)
	}
	if value[string](t, conn, objects) != before {
		t.Error("an object has changed")
	}
	works(t, dsn)
}

func TestUp_IgnoresTheDatabasesSearchPath(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	conn := connect(t, dsn)
	exec(t, conn, `
		create schema app;
		create function app.clock_timestamp() returns timestamptz language sql as $$ select null::timestamptz $$;
		create table app.comments (x integer)`)
	exec(t, conn, `alter database `+conn.Config().Database+` set search_path = app, pg_catalog`)
	if err := migrations.Up(t.Context(), dsn, silent); err != nil {
		t.Fatal(err)
	}
	works(t, dsn)
}

// Postgres reads the strings of a CHECK once, with standard_conforming_strings as it is then.
func TestUp_IgnoresHowTheDatabaseReadsStrings(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	conn := connect(t, dsn)
	exec(t, conn, `do $$ begin execute format('alter database %I set standard_conforming_strings = off', current_database()); end $$`)
	if err := migrations.Up(t.Context(), dsn, silent); err != nil {
		t.Fatal(err)
	}
	works(t, dsn)
}

func TestUp_Refuses(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		prepare func(*testing.T, string) string
		want    string
	}{
		"AnotherEncoding":     {latin, "the database has encoding LATIN1: UTF8 is needed"},
		"ASchemaThatIsTooNew": {tooNew, "the schema needs a program that has migration 999, this one has 9 and older: run a newer tidings"},
		"AnUnreleasedSchema":  {unreleased, "from before the first release, which cannot be upgraded"},
		"AnEditedFile":        {edited, "0002_log.sql differs from the file that this database ran (0002_log.sql, SHA-256 x)"},
		"ABadDSN":             {func(*testing.T, string) string { return "postgres://%" }, "parse DSN"},
		"ARoleWithoutRights":  {withoutRights, "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := c.prepare(t, storetest.Empty(t))
			err := migrations.Up(t.Context(), dsn, silent)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func latin(t *testing.T, dsn string) string {
	admin := connect(t, dsn)
	name := admin.Config().Database + "_latin1"
	exec(t, admin, `create database `+name+` encoding 'LATIN1' locale 'C' template template0`)
	t.Cleanup(func() {
		admin, err := pgx.Connect(context.Background(), storetest.Server().DSN("postgres"))
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close(context.Background())
		if _, err := admin.Exec(context.Background(), `drop database `+name+` with (force)`); err != nil {
			t.Error(err)
		}
	})
	return storetest.Server().DSN(name)
}

func tooNew(t *testing.T, _ string) string {
	conn, dsn := database(t)
	exec(t, conn, `insert into tidings.migrations (kind, number, name, sha256, oldest_program) values ('file', 1000, '1000_x.sql', 'x', 999)`)
	return dsn
}

func unreleased(t *testing.T, dsn string) string {
	exec(t, connect(t, dsn), `create schema tidings; create table tidings.schema_version (version int4 not null)`)
	return dsn
}

func edited(t *testing.T, _ string) string {
	conn, dsn := database(t)
	exec(t, conn, `update tidings.migrations set sha256 = 'x' where kind = 'file' and number = 2`)
	return dsn
}

func withoutRights(t *testing.T, dsn string) string {
	_, dsn = role(t, connect(t, dsn))
	return dsn
}

func TestUp_NeedsNoRightToCreateASchemaThatExists(t *testing.T) {
	t.Parallel()

	t.Run("MadeByAnAdministrator", func(t *testing.T) {
		t.Parallel()
		admin := connect(t, storetest.Empty(t))
		owner, dsn := role(t, admin)
		exec(t, admin, `create schema tidings authorization `+owner)
		if err := migrations.Up(t.Context(), dsn, silent); err != nil {
			t.Fatal(err)
		}
		works(t, dsn)
	})
	t.Run("UpToDate", func(t *testing.T) {
		t.Parallel()
		admin, _ := database(t)
		server, dsn := role(t, admin)
		exec(t, admin, `grant usage on schema tidings to `+server)
		exec(t, admin, `grant select on tidings.migrations to `+server)
		if err := migrations.Up(t.Context(), dsn, silent); err != nil {
			t.Fatal(err)
		}
	})
}

// warned is the handler of a logger. It closes ch at the first warning.
type warned struct {
	slog.Handler
	once *sync.Once
	ch   chan struct{}
}

func (w warned) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w warned) Handle(context.Context, slog.Record) error {
	w.once.Do(func() { close(w.ch) })
	return nil
}

func TestUp_WaitsForALockOfAnotherSession(t *testing.T) {
	t.Parallel()

	holder, dsn := database(t)
	release := made(t, map[string]string{"schema/1000_x.sql": `create table tidings.x ();`})
	handler := warned{slog.DiscardHandler, new(sync.Once), make(chan struct{})}
	exec(t, holder, `begin; lock table tidings.migrations in exclusive mode`) // as another migrator does

	t.Run("ButNotIfTheDatabaseIsUpToDate", func(t *testing.T) {
		Must(t, migrations.Up(t.Context(), dsn, slog.New(failing{slog.DiscardHandler, t})))
	})
	t.Run("UntilItsContextEnds", func(t *testing.T) {
		waits := warned{slog.DiscardHandler, new(sync.Once), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			defer cancel()
			select {
			case <-waits.ch:
			case <-ctx.Done():
			}
		}()
		if err := migrations.Apply(ctx, dsn, release, slog.New(waits)); err == nil {
			t.Error("Apply did not wait")
		}
	})
	t.Run("UntilItIsFree", func(t *testing.T) {
		done := make(chan error, 1)
		go func() { done <- migrations.Apply(t.Context(), dsn, release, slog.New(handler)) }()
		select {
		case err := <-done:
			t.Fatalf("Apply did not wait: %v", err)
		case <-handler.ch: // the lock was not granted, so Apply tries again
		}
		exec(t, holder, `rollback`)
		Must(t, <-done)
	})
}
