package migrations_test

import (
	"slices"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
)

// A position that a reader has seen must never be given to another event.
func TestCrash_PositionsAreNotReused(t *testing.T) {
	t.Parallel()

	server := storetest.NewServer(t)
	dsn := server.DSN("tidings")
	if err := migrations.Up(t.Context(), dsn, silent); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	exec(t, conn, `alter system set wal_writer_delay = '10s'`) // only a commit flushes the WAL
	exec(t, conn, `alter system set max_prepared_transactions = 2`)
	exec(t, conn, `alter database tidings set synchronous_commit = off`)
	exec(t, conn, `select pg_reload_conf()`)

	writer := connect(t, dsn)
	await(t, writer, `select current_setting('wal_writer_delay') = '10s'`)
	exec(t, writer, comment)
	exec(t, writer, `begin; select tidings.publish('post:p', 'last', '{}'); set constraints all immediate`)
	exec(t, writer, `commit`)
	if got := value[string](t, writer, `show synchronous_commit`); got != "off" {
		t.Errorf("after its commit the session has synchronous_commit %s", got)
	}
	seen := full(t, conn, 0)
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}

	conn = connect(t, dsn)
	if got := full(t, conn, 0); !slices.Equal(got, seen) {
		t.Errorf("after the crash there are %q, before it %q", got, seen)
	}
	before := head(t, conn)
	exec(t, conn, comment)
	if first := value[int64](t, conn, `select min(position) from tidings.events where position > $1`, before); first <= before {
		t.Errorf("position %d again", first)
	}
	if got := len(epochs(t, conn)); got != 1 {
		t.Errorf("%d epochs, want 1: a crash begins no new history", got)
	}
	countsAreRight(t, conn)

	t.Run("TwoPhaseCommitIsRefused", func(t *testing.T) {
		before := head(t, conn)
		exec(t, conn, `begin; `+comment)
		refused(t, conn, "0A000", `prepare transaction 'later'`)
		if got := since(t, conn, before); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		exec(t, conn, `begin; insert into tidings.users (id, name) values ('zoe', 'Zoe'); prepare transaction 'later'`) // no events
		exec(t, conn, `commit prepared 'later'`)
		leavesNothing(t, conn)
	})
}
