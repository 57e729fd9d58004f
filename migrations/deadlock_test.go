package migrations_test

import (
	"os"
	"testing"

	"github.com/jackc/tern/v2/migrate"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
)

// A migration of several tables and a writer of the same may each wait for the other.
func TestUp_TriesAgainAfterADeadlock(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	conn := connect(t, dsn)
	exec(t, conn, `create schema tidings`)
	older, err := migrate.NewMigrator(t.Context(), conn, "tidings.schema_version")
	if err != nil {
		t.Fatal(err)
	}
	if err := older.LoadMigrations(os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	if err := older.MigrateTo(t.Context(), 6); err != nil { // 0007 wants users, then posts
		t.Fatal(err)
	}
	writer := connect(t, dsn)
	exec(t, writer, `set deadlock_timeout = '1min'`) // it is not the one to give up
	exec(t, writer, `insert into tidings.posts (id) values ('p')`)
	exec(t, writer, `begin; update tidings.posts set title = 'x'`)
	up := make(chan error, 1)
	go func() { up <- migrations.Up(t.Context(), dsn+"&options=-c%20deadlock_timeout%3D500ms", silent) }()
	await(t, conn, `
		select exists (
			select from pg_stat_activity
			where application_name = 'tidings migrate' and wait_event_type = 'Lock' and datname = current_database()
		)`)
	exec(t, writer, `insert into tidings.users (id, name) values ('ann', 'Ann')`)
	exec(t, writer, `commit`)
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	works(t, dsn)
}
