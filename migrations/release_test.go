package migrations_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// made returns the files of a made-up release: those of this program, with changes.
func made(t *testing.T, changes map[string]string) fs.FS {
	t.Helper()
	dir := t.TempDir()
	Must(t, os.CopyFS(dir, migrations.Files()))
	for path, text := range changes {
		Must(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	return os.DirFS(dir)
}

// text returns a file of this program.
func text(t *testing.T, path string) string {
	t.Helper()
	text, err := fs.ReadFile(migrations.Files(), path)
	Must(t, err)
	return string(text)
}

// nextVersion of the functions is far above that of this program.
const nextVersion = "version 1000\n"

// next is a made-up release after this one: a new column, a function that fills the
// column, and a trigger that calls another function.
func next(t *testing.T) fs.FS {
	t.Helper()
	return made(t, map[string]string{
		"schema/1000_words.sql": `alter table tidings.comments add column words integer;`,
		"functions/comment_touched.sql": strings.Replace(text(t, "functions/comment_touched.sql"),
			"\n    return new;\n", "\n    new.words := 7;\n    return new;\n", 1),
		"functions/like_touched.sql": strings.Replace(text(t, "functions/like_touched.sql"),
			"create or replace trigger touched", "create or replace trigger keeps", 1),
		"functions/VERSION": nextVersion,
	})
}

// An older program on a database that the next release has migrated.
func TestApply_TheNextReleaseServesOlderPrograms(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, comment)
	older := connect(t, dsn) // has plans of before
	exec(t, older, comment)
	Must(t, migrations.Apply(t.Context(), dsn, next(t), silent))

	t.Run("OpenSessionsGoOn", func(t *testing.T) {
		before := head(t, older)
		exec(t, older, comment)
		Want(t, "number of events", len(since(t, older, before)), 2)
		exec(t, older, `update tidings.comments set body = 'x'`)
		Want(t, "words", value[int](t, older, `select min(words) from tidings.comments`), 7)
	})
	t.Run("UpChangesNothing", func(t *testing.T) {
		before := value[string](t, conn, objects)
		Must(t, migrations.Up(t.Context(), dsn, silent))
		Want(t, "catalog", value[string](t, conn, objects), before)
		works(t, dsn)
	})
	t.Run("TheRenamedTriggerIsThereOnce", func(t *testing.T) {
		triggers := list[string](t, conn, `
			select tgname::text from pg_trigger
			where tgfoid = 'tidings.like_touched'::regproc`)
		Want(t, "triggers", triggers, []string{"keeps"})
	})
	countsAreRight(t, conn)
}

func TestApply_AReleaseCanExcludeOlderPrograms(t *testing.T) {
	t.Parallel()

	_, dsn := database(t)
	breaking := made(t, map[string]string{
		"schema/1000_new_table.sql": `create table tidings.new_table ();`,
		"schema/1001_old_gone.sql":  "-- tidings: oldest-program 1000\n" + `alter table tidings.tickets drop column topics;`,
	})
	between := made(t, map[string]string{"schema/1000_new_table.sql": `create table tidings.new_table ();`})
	Must(t, migrations.Apply(t.Context(), dsn, breaking, silent))
	Must(t, migrations.Apply(t.Context(), dsn, breaking, silent))
	Must(t, migrations.Apply(t.Context(), dsn, between, silent))
	err := migrations.Up(t.Context(), dsn, silent)
	if err == nil || !strings.Contains(err.Error(), "the schema needs a program that has migration 1000, this one has 9 and older") {
		t.Errorf("got %v", err)
	}
}

func TestApply_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		path, text, want string
	}{
		"AFileWithoutANumber": {"schema/tables.sql", "select", "the name must be like 0001_name.sql"},
		"ANumberTwice":        {"schema/0001_again.sql", "select", "have the same number"},
		"AnUnknownDirective":  {"schema/1000_x.sql", "-- tidings: oldest-programme 3\nselect", "unknown directive"},
		"NoVersion":           {"functions/VERSION", "1", "functions/VERSION"},
		"TwoStatements":       {"functions/head.sql", "select 1;", "it must be a CREATE OR REPLACE FUNCTION tidings.head"},
		"MoreThanTriggers":    {"functions/mark.sql", text(t, "functions/mark.sql") + "drop table x;", "only triggers may follow"},
		"AnotherFilesTrigger": {"functions/head.sql", text(t, "functions/head.sql") + "alter table tidings.commits enable always trigger flush;", "no such trigger"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := migrations.Apply(t.Context(), "", made(t, map[string]string{c.path: c.text}), silent)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestApply_NamesTheLineOfAnError(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	broken := made(t, map[string]string{"schema/1000_broken.sql": "create table tidings.gone ();\n-- é\nselekt 1;\n"})
	err := migrations.Apply(t.Context(), dsn, broken, silent)
	if err == nil || !strings.Contains(err.Error(), "1000_broken.sql:3: ") {
		t.Errorf("got %v", err)
	}
	Want(t, "a part of the file has run", value[bool](t, conn, `select to_regclass('tidings.gone') is not null`), false)
}

// Postgres gives EXECUTE on each new function to PUBLIC. A dump without its grants
// brings that back.
func TestUp_RevokesWhatARestoreWithoutGrantsGives(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, `grant execute on all functions in schema tidings to public`)
	Must(t, migrations.Up(t.Context(), dsn, silent))
	refused(t, as(t, conn, usage), "42501", `select tidings.recount()`)
}

func TestApply_RepairsTriggersWithTheNextFunctions(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, `
		drop trigger inserted on tidings.likes;
		drop trigger flush on tidings.commits;
		create constraint trigger flush after insert on tidings.commits for each row execute function tidings.flush();
		create trigger obsolete after insert on tidings.posts for each row execute function tidings.like_touched();
		alter table tidings.pending enable trigger mark;
		alter table tidings.comments disable trigger inserted`)
	Must(t, migrations.Apply(t.Context(), dsn, made(t, map[string]string{"functions/VERSION": nextVersion}), silent))
	works(t, dsn)
	exec(t, conn, `insert into tidings.likes (post_id, user_id) values ('p', 'ann')`)
	exec(t, conn, `set session_replication_role = replica; select tidings.publish('post:p', 'x', '{}')`)
	countsAreRight(t, conn)
	leavesNothing(t, conn)
	Want(t, "schema", dumpSchema(t, connect(t, dsn)), dumpSchema(t, connect(t, storetest.Database(t))))
}

// Replacing a trigger would wait for all writers of its table.
func TestApply_LocksNoTableWhoseTriggersStay(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, `
		begin;
		do $$ begin
			execute (
				select 'lock table ' || string_agg(oid::regclass::text, ', ') || ' in row exclusive mode'
				from pg_class
				where relnamespace = 'tidings'::regnamespace and relkind = 'r' and relname <> 'migrations'
			);
		end $$`)
	release := made(t, map[string]string{
		"functions/head.sql": "-- Other text.\n" + text(t, "functions/head.sql"),
		"functions/VERSION":  nextVersion,
	})
	logger := slog.New(failing{slog.DiscardHandler, t}) // a wait for a lock is a warning
	Must(t, migrations.Apply(t.Context(), dsn, release, logger))
	exec(t, conn, `commit`)
	works(t, dsn)
}

// failing is the handler of a logger that fails the test if there is a warning.
type failing struct {
	slog.Handler
	t *testing.T
}

func (f failing) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (f failing) Handle(_ context.Context, r slog.Record) error {
	f.t.Error(r.Message)
	return nil
}

// A migration of several tables and a writer of the same tables may each wait for the
// other.
func TestApply_TriesAgainAfterADeadlock(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	writer := connect(t, dsn)
	exec(t, writer, `set deadlock_timeout = '1min'`) // so Postgres cancels the migration
	exec(t, writer, `insert into tidings.posts (id) values ('p')`)
	exec(t, writer, `begin; update tidings.posts set title = 'x'`)
	release := made(t, map[string]string{"schema/1000_two_tables.sql": `
		alter table tidings.users add column one integer;
		alter table tidings.posts add column two integer;`})
	done := make(chan error, 1)
	go func() {
		done <- migrations.Apply(t.Context(), dsn+"&options=-c%20deadlock_timeout%3D500ms", release, silent)
	}()
	await(t, conn, `
		select exists (
			select from pg_stat_activity
			where application_name = 'tidings migrate' and wait_event_type = 'Lock' and datname = current_database()
		)`)
	exec(t, writer, `insert into tidings.users (id, name) values ('ann', 'Ann')`)
	exec(t, writer, `commit`)
	Must(t, <-done)
	works(t, dsn)
}

// pg_dump holds its locks on all tables for as long as it runs.
func TestUp_RunsBesideADump(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	Must(t, migrations.Up(t.Context(), dsn, silent))
	dump := connect(t, dsn)
	exec(t, dump, `begin isolation level repeatable read; lock table tidings.migrations in access share mode`)
	release := made(t, map[string]string{"schema/1000_x.sql": `create table tidings.x (id integer primary key);`})
	logger := slog.New(failing{slog.DiscardHandler, t})
	Must(t, migrations.Apply(t.Context(), dsn, release, logger))
	exec(t, dump, `commit`)
}
