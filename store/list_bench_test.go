package store_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// BenchmarkComments reads pages of a post with 10,000 comments, half of them replies.
func BenchmarkComments(b *testing.B) {
	dsn := storetest.Database(b)
	s, err := store.Open(b.Context(), store.Config{URL: dsn})
	streamtest.Must(b, err)
	b.Cleanup(s.Close)
	pool, err := pgxpool.New(b.Context(), dsn)
	streamtest.Must(b, err)
	b.Cleanup(pool.Close)
	roots := storetest.Rows(5000)
	for _, sql := range []string{fmt.Sprintf(`
		insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, '42', case when n > %[1]d then n - %[1]d + n %% 7 end, 'u' || n %% 100, 'A comment of a usual length, number ' || n
		from generate_series(1, 2 * %[1]d) as n`, roots), fmt.Sprintf(`
		insert into tidings.likes (post_id, comment_id, user_id)
		select '42', n, 'u' || u from generate_series(1, %d) as n, generate_series(1, n %% 3) as u`, roots),
		`analyze`,
	} {
		_, err := pool.Exec(b.Context(), sql)
		streamtest.Must(b, err)
	}
	middle := store.Place{ID: int64(roots / 2)}
	streamtest.Must(b, pool.QueryRow(b.Context(), `select created_at from tidings.comments where id = $1`, middle.ID).Scan(&middle.At))
	for name, q := range map[string]store.ListQuery{
		"Flat": {Flat: true}, "First": {}, "Middle": {After: &middle}, "Top": {Sort: store.Top},
	} {
		q.PostID, q.Viewer, q.Limit = "42", "u1", 20
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				list, err := s.Comments(b.Context(), q)
				streamtest.Must(b, err)
				streamtest.Want(b, "comments", len(list.Comments), 20)
			}
		})
	}
	b.Run("State", func(b *testing.B) {
		for b.Loop() {
			_, err := s.ListState(b.Context(), "42", "u1")
			streamtest.Must(b, err)
		}
	})
}
