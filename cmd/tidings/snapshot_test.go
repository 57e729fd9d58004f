package main

import (
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// After a promotion the first commit begins the new epoch. A transaction whose snapshot
// is older than that commit gets a serialization failure: it would begin the epoch a
// second time, and count from counts that it cannot see. It may commit if it is the
// first.
func TestNewEpoch_RefusesOlderSnapshots(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	write := `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'text')`
	s.exec(t, `insert into tidings.users (id, name) values ('ann', 'Ann')`)
	s.exec(t, `insert into tidings.posts (id) values ('a')`)
	for round := range 2 {
		s.exec(t, `update tidings.epochs set timeline = 'another'`) // as after a promotion
		old, err := s.sql.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		streamtest.Must(t, err)
		_, err = old.Exec(t.Context(), write)
		streamtest.Must(t, err)
		if round == 0 { // another transaction commits first
			s.exec(t, write)
			var refused *pgconn.PgError
			if err := old.Commit(t.Context()); !errors.As(err, &refused) || refused.Code != pgerrcode.SerializationFailure {
				t.Errorf("got %v, want a serialization failure", err)
			}
		} else {
			streamtest.Must(t, old.Commit(t.Context()))
		}
		streamtest.Want(t, "epochs", len(s.epochs(t)), 2+round)
		streamtest.Want(t, "the count", value[int](t, s, `select comments from tidings.counts where target = 'post:a' order by position desc limit 1`), 1+round)
	}
}
