package migrations_test

import (
	"slices"
	"testing"
)

func TestFloor_MovesWithWhatIsRemoved(t *testing.T) {
	t.Parallel()

	const floor = `select position from tidings.floor`
	conn, dsn := database(t)
	other := connect(t, dsn)
	for range 10 {
		exec(t, conn, `select tidings.publish('post:p', 'x', '{}')`)
	}
	if got := value[int64](t, conn, floor); got != 0 {
		t.Fatalf("at first it is %d", got)
	}

	exec(t, conn, `begin; delete from tidings.events where position <= 3`)
	if got := value[int64](t, conn, floor); got != 3 {
		t.Errorf("it is %d in the transaction that removes up to 3", got)
	}
	if got := value[int64](t, other, floor); got != 0 {
		t.Errorf("it is %d for others before that commits", got)
	}
	exec(t, conn, `rollback`)
	if got := value[int64](t, conn, floor); got != 0 {
		t.Errorf("it is %d after ROLLBACK", got)
	}

	exec(t, conn, `delete from tidings.events where position <= 3`)
	if got := value[int64](t, other, floor); got != 3 {
		t.Errorf("it is %d after 3 were removed", got)
	}
	exec(t, conn, `delete from tidings.events where false`)
	exec(t, conn, `set session_replication_role = replica; delete from tidings.events where position = 6; reset session_replication_role`)
	if got := value[int64](t, other, floor); got != 6 {
		t.Errorf("it is %d after 6 was removed out of turn", got)
	}
	exec(t, conn, `delete from tidings.events where position = 5`)
	if got := value[int64](t, other, floor); got != 6 {
		t.Errorf("it went back to %d", got)
	}

	if got := head(t, conn); got != 10 {
		t.Errorf("the head is %d of 10", got)
	}
	exec(t, conn, `delete from tidings.events`)
	if got := head(t, conn); got != 10 {
		t.Errorf("the head is %d of 10 when all are removed", got)
	}
	exec(t, conn, `select tidings.publish('post:p', 'next', '{}')`)
	if got := list[int64](t, conn, `select position from tidings.events`); !slices.Equal(got, []int64{11}) {
		t.Errorf("the next is at %d, not 11", got)
	}
	if got := head(t, conn); got != 11 {
		t.Errorf("the head is %d of 11", got)
	}
}

// Removing takes no turn, and numbering does not wait for it.
func TestFloor_RetentionAndWritersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()

	retention, dsn := database(t)
	writer := connect(t, dsn)
	exec(t, writer, comment+`;`+comment)
	exec(t, retention, `begin; delete from tidings.events; delete from tidings.counts c
		where exists (select from tidings.counts n where n.target = c.target and n.position > c.position)`)
	exec(t, writer, `set lock_timeout = '10s'; `+comment)
	if turnIsTaken(t, writer) {
		t.Error("retention has the turn")
	}
	exec(t, retention, `commit`)
	countsAreRight(t, writer)
}
