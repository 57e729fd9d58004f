package migrations_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const like = `insert into tidings.likes (post_id, user_id) values ('p', 'bob')`

func TestIsolation_AWriterWithAnOldSnapshotFailsAndCanRetry(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			conn, other := db.again(t), db[1]
			exec(t, conn, comment) // so the post and the authors exist
			exec(t, conn, `insert into tidings.users (id, name) values ('bob', 'Bob')`)

			exec(t, conn, `begin isolation level `+level+`; select from tidings.counts`)
			exec(t, other, comment)
			exec(t, conn, comment)
			if err := refused(t, conn, "40001", `commit`); level == "repeatable read" && err.Hint == "" {
				t.Error("no hint")
			}
			exec(t, conn, `begin isolation level `+level+`; select from tidings.counts; `+comment)
			exec(t, conn, `commit`)
			if n := value[int](t, conn, `select comments from tidings.counts order by position desc limit 1`); n != 3 {
				t.Errorf("the count is %d, want 3", n)
			}
			countsAreRight(t, conn)
			leavesNothing(t, conn)
		})
	}
}

func TestIsolation_AWriterWithAFreshSnapshotSucceeds(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			conn, other := db.again(t), db[1]
			exec(t, other, comment)
			for range 3 {
				exec(t, conn, `begin isolation level `+level+`; select from tidings.counts; savepoint s`)
				exec(t, other, `insert into tidings.users (id, name) values ('zoe', 'Zoe') on conflict do nothing`) // no event
				exec(t, conn, comment+`; release s; set constraints all immediate`)
				exec(t, conn, `commit`)
			}
			exec(t, conn, `set default_transaction_isolation = '`+level+`'; `+comment+`; `+like)
			countsAreRight(t, other)
		})
	}
}

func TestIsolation_ConcurrentWritersRetryUntilTheySucceed(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, comment)
	var writers sync.WaitGroup
	for range 4 {
		conn := connect(t, dsn)
		writers.Go(func() {
			for done := 0; done < 20; {
				err := try(t, conn, `begin isolation level repeatable read; select from tidings.counts; `+comment)
				if err == nil {
					err = try(t, conn, `commit`)
				}
				var pg *pgconn.PgError
				switch {
				case err == nil:
					done++
				case errors.As(err, &pg) && pg.Code == pgerrcode.SerializationFailure:
					try(t, conn, `rollback`) // after a failed COMMIT there is nothing to roll back
				default:
					t.Error(explain(err))
					return
				}
			}
		})
	}
	writers.Wait()
	if n := value[int](t, conn, `select comments from tidings.counts order by position desc limit 1`); n != 81 {
		t.Errorf("the count is %d, want 81", n)
	}
	countsAreRight(t, conn)
}

// A restored dump contains the number of the transaction that flushed last in another
// cluster.
func TestIsolation_IgnoresTheLastFlushOfAnotherHistory(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	restored := func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, comment)
		exec(t, conn, `
			update tidings.epochs set system_identifier = 1;
			select setval('tidings.last_flush', 1000000000000);
			select setval('tidings.last_history', 4711)`)
	}
	t.Run("TheFirstWriterMayHaveAnySnapshot", func(t *testing.T) {
		conn := db.again(t)
		restored(t, conn)
		exec(t, conn, `begin isolation level repeatable read; select from tidings.counts; `+comment)
		exec(t, conn, `commit`)
		countsAreRight(t, conn)
	})
	t.Run("ButLaterOnesNeedANewerOne", func(t *testing.T) {
		conn, other := db.again(t), db[1]
		restored(t, conn)
		exec(t, conn, `begin isolation level repeatable read; select from tidings.counts`)
		exec(t, other, comment)
		exec(t, conn, comment)
		refused(t, conn, "40001", `commit`)
		if n := value[int](t, conn, `select count(*) from tidings.epochs`); n != 2 {
			t.Errorf("%d epochs, want 2", n)
		}
		countsAreRight(t, conn)
	})
}

func TestIsolation_ReplicationRoleReplicaLeavesNothingInPending(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment)
	before := head(t, conn)
	exec(t, conn, `set session_replication_role = replica`)
	exec(t, conn, comment) // no triggers and so no events, as in logical replication
	exec(t, conn, `begin; select tidings.publish('post:p', 'x', '{}'); select tidings.publish('post:p', 'y', '{}')`)
	exec(t, conn, `commit`)
	if got, want := since(t, conn, before), []string{"post:p x", "post:p y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	leavesNothing(t, conn)
}

func TestTruncate_IsRefusedWithAHint(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment)
	for _, table := range list[string](t, conn, `
		select relname from pg_class
		where relnamespace = 'tidings'::regnamespace and relkind = 'r'
			and relname not in ('turn', 'tickets', 'idempotency', 'migrations', 'instances', 'presence', 'signals')`) { // no counts or events follow from these
		for _, sql := range []string{`truncate tidings.` + table + ` cascade`, `truncate tidings.` + table + `, tidings.tickets cascade`} {
			if err := refused(t, conn, "0A000", sql); err.Hint == "" {
				t.Errorf("%s: no hint", sql)
			}
		}
	}
	if n := value[int](t, conn, `select count(*) from tidings.events`); n != 2 {
		t.Errorf("%d events are left of 2", n)
	}
}
