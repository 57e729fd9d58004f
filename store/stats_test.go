package store_test

import (
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
)

func TestGroupStats(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `insert into tidings.posts (id) values ('42')`)
	for _, err := range d.together(t, []deed{good(0), good(1), good(2), good(3)}, 0) {
		must(t, err)
	}
	want(t, "stats", d.GroupStats(), store.GroupStats{Transactions: 2, Writes: 5})

	release := d.hold(t, `select from tidings.posts where id = '42' for update`)
	like := make(chan error, 1)
	go func() {
		_, err := d.Like(t.Context(), "42", ann)
		like <- err
	}()
	eventually(t, 20*time.Second, "the like waits apart", func() bool { return d.GroupStats().Apart == 1 })
	release()
	must(t, <-like)
	want(t, "stats", d.GroupStats(), store.GroupStats{Transactions: 2, Writes: 5, Apart: 1})

	want(t, "without group commit", newDatabase(t, noGroups).GroupStats(), store.GroupStats{})
}
