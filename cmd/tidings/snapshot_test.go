package main

import (
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A writer with an old snapshot neither begins the new epoch a second time nor counts
// from what it cannot see: it must try again. One with a fresh snapshot may be first.
func TestEpochsAndOldSnapshots(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	write := `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'as ever')`
	s.exec(t, `insert into tidings.users (id, name) values ('ann', 'Ann')`)
	s.exec(t, `insert into tidings.posts (id) values ('a')`)
	for round := range 2 {
		s.exec(t, `update tidings.epochs set timeline = 'another'`) // as after a promotion
		old, err := s.sql.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		must(t, err)
		_, err = old.Exec(t.Context(), write)
		must(t, err)
		if round == 0 { // somebody else is first
			s.exec(t, write)
			var refused *pgconn.PgError
			if err := old.Commit(t.Context()); !errors.As(err, &refused) || refused.Code != pgerrcode.SerializationFailure {
				t.Errorf("got %v, want a serialization failure", err)
			}
		} else {
			must(t, old.Commit(t.Context()))
		}
		want(t, "epochs", len(s.epochs(t)), 2+round)
		want(t, "the count", value[int](t, s, `select comments from tidings.counts where target = 'post:a' order by position desc limit 1`), 1+round)
	}
}
