package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
)

// busyPosts are the posts that write writes to.
var busyPosts = []string{"a", "b", "c"}

const (
	writes = 40                    // of each writer; the writer at the late instance makes fewer
	pace   = 25 * time.Millisecond // of each writer, from one write to the next
)

// write starts four writers in the group: one at each instance, and two with SQL.
func write(t *testing.T, s *site, group *errgroup.Group, near, far *server) {
	t.Helper()
	// A transaction that creates a user or a post delays others that need the same row,
	// so the rows are created before.
	s.exec(t, `insert into tidings.users (id, name) values ('dan', 'Dan')`)
	s.exec(t, `insert into tidings.posts (id, author_id) select unnest($1::text[]), 'ann'`, busyPosts)
	ctx := patient(t)
	for seed, w := range []struct {
		times int
		once  func(context.Context, *rand.Rand) error
	}{
		{writes, overHTTP(near.as(t, "ben"))},
		{writes / 20, overHTTP(far.as(t, "cat"))},
		{writes, s.inTransactions},
		{writes, s.withLikes},
	} {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		group.Go(func() error {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for range w.times {
				if err := w.once(ctx, random); err != nil {
					return err
				}
				<-tick.C
			}
			return nil
		})
	}
}

// anyPost is a random post.
func anyPost(random *rand.Rand) string { return busyPosts[random.IntN(len(busyPosts))] }

// overHTTP comments, and then replies, deletes, likes or unlikes.
func overHTTP(c *client.Client) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, random *rand.Rand) error {
		post := anyPost(random)
		created, err := c.CreateComment(ctx, post, client.NewComment{Body: "a root"})
		if err != nil {
			return err
		}
		switch random.IntN(4) {
		case 0:
			_, err = c.CreateComment(ctx, post, client.NewComment{Body: "a reply", ParentID: &created.ID})
		case 1:
			err = c.DeleteComment(ctx, created.ID)
		case 2:
			_, err = c.LikePost(ctx, post)
		case 3:
			_, err = c.UnlikePost(ctx, post)
		}
		return err
	}
}

// inTransactions inserts rows in two concurrent transactions. Either may end first, and
// either or both may be rolled back.
func (s *site) inTransactions(ctx context.Context, random *rand.Rand) error {
	one, err := s.sql.Begin(ctx)
	if err != nil {
		return err
	}
	defer one.Rollback(ctx) //nolint:errcheck // usually it has ended
	two, err := s.sql.Begin(ctx)
	if err != nil {
		return err
	}
	defer two.Rollback(ctx) //nolint:errcheck // usually it has ended
	for _, tx := range []pgx.Tx{one, two} {
		_, err := tx.Exec(ctx, `
			insert into tidings.comments (post_id, author_id, body)
			select $1, 'dan', 'row ' || n
			from generate_series(1, $2) as n`, anyPost(random), 1+random.IntN(3))
		if err != nil {
			return err
		}
	}
	ends := [][2]func(context.Context) error{
		{one.Commit, two.Commit}, {two.Commit, one.Commit}, {two.Rollback, one.Commit},
		{one.Rollback, two.Commit}, {two.Commit, one.Rollback}, {two.Rollback, one.Rollback},
	}[random.IntN(6)]
	return errors.Join(ends[0](ctx), ends[1](ctx))
}

// withLikes inserts likes of a post and deletes some. In between, it rolls a savepoint
// back.
func (s *site) withLikes(ctx context.Context, random *rand.Rand) error {
	return pgx.BeginFunc(ctx, s.sql, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into tidings.likes (post_id, user_id)
			select $1, 'fan' || n
			from generate_series(1, $2) as n
			on conflict do nothing`, anyPost(random), 1+random.IntN(9))
		if err != nil {
			return err
		}
		undone, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := undone.Exec(ctx, `delete from tidings.likes where user_id like 'fan%'`); err != nil {
			return err
		}
		if err := undone.Rollback(ctx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `delete from tidings.likes where user_id = $1`, fmt.Sprintf("fan%d", random.IntN(9)))
		return err
	})
}
