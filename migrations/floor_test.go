package migrations_test

import (
	"slices"
	"testing"
)

func TestFloor_MovesWhenEventsAreRemoved(t *testing.T) {
	t.Parallel()

	const floor = `select position from tidings.floor`
	conn, dsn := database(t)
	other := connect(t, dsn)
	for range 10 {
		exec(t, conn, `select tidings.publish('post:p', 'x', '{}')`)
	}
	if got := value[int64](t, conn, floor); got != 0 {
		t.Fatalf("the floor of a new database is %d", got)
	}

	exec(t, conn, `begin; delete from tidings.events where position <= 3`)
	if got := value[int64](t, conn, floor); got != 3 {
		t.Errorf("the floor is %d in the transaction that removes events up to 3", got)
	}
	if got := value[int64](t, other, floor); got != 0 {
		t.Errorf("the floor is %d for others before that commits", got)
	}
	exec(t, conn, `rollback`)
	if got := value[int64](t, conn, floor); got != 0 {
		t.Errorf("the floor is %d after ROLLBACK", got)
	}

	exec(t, conn, `delete from tidings.events where position <= 3`)
	if got := value[int64](t, other, floor); got != 3 {
		t.Errorf("the floor is %d after 3 events were removed", got)
	}
	exec(t, conn, `delete from tidings.events where false`)
	exec(t, conn, `set session_replication_role = replica; delete from tidings.events where position = 6; reset session_replication_role`)
	if got := value[int64](t, other, floor); got != 6 {
		t.Errorf("the floor is %d after event 6 was removed before 4 and 5", got)
	}
	exec(t, conn, `delete from tidings.events where position = 5`)
	if got := value[int64](t, other, floor); got != 6 {
		t.Errorf("the floor went back to %d", got)
	}

	if got := head(t, conn); got != 10 {
		t.Errorf("the head is %d, want 10", got)
	}
	exec(t, conn, `delete from tidings.events`)
	if got := head(t, conn); got != 10 {
		t.Errorf("the head is %d when all events are removed, want 10", got)
	}
	exec(t, conn, `select tidings.publish('post:p', 'next', '{}')`)
	if got := list[int64](t, conn, `select position from tidings.events`); !slices.Equal(got, []int64{11}) {
		t.Errorf("the next event is at %d, want 11", got)
	}
	if got := head(t, conn); got != 11 {
		t.Errorf("the head is %d, want 11", got)
	}
}

// To remove events takes no turn, and flush does not wait for it.
func TestFloor_RetentionAndWritersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()

	retention, dsn := database(t)
	writer := connect(t, dsn)
	exec(t, writer, comment+`;`+comment)
	exec(t, retention, `begin; delete from tidings.events; delete from tidings.counts c
		where exists (select from tidings.counts n where n.target = c.target and n.position > c.position)`)
	exec(t, writer, `set lock_timeout = '10s'; `+comment)
	if turnIsTaken(t, writer) {
		t.Error("retention holds the turn")
	}
	exec(t, retention, `commit`)
	countsAreRight(t, writer)
}
