package store_test

import (
	"testing"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestGroupStats(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `insert into tidings.posts (id) values ('42')`)
	for _, err := range d.together(t, []testWrite{good(0), good(1), good(2), good(3)}, 0) {
		streamtest.Must(t, err)
	}
	streamtest.Want(t, "stats", d.GroupStats(), group.Stats{Transactions: 2, Writes: 5})

	release := d.hold(t, `select from tidings.posts where id = '42' for update`)
	like := make(chan error, 1)
	go func() {
		_, err := d.Like(t.Context(), "42", ann)
		like <- err
	}()
	streamtest.Eventually(t, "the like is solo", func() bool { return d.GroupStats().Solo == 1 })
	release()
	streamtest.Must(t, <-like)
	streamtest.Want(t, "stats", d.GroupStats(), group.Stats{Transactions: 2, Writes: 5, Solo: 1})

	streamtest.Want(t, "without group commit", newDatabase(t, noGroups).GroupStats(), group.Stats{})
}
