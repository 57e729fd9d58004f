package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Post is a page of the site that takes comments, with its counts.
type Post struct {
	ID        string
	Title     *string
	URL       *string
	AuthorID  *string
	Locked    bool // takes no comments
	CreatedAt time.Time
	Counts
}

// Counts are the counters of a post. They are never negative.
type Counts struct {
	Comments int64 // published ones, replies included
	Likes    int64
}

// Post returns one post, or ErrNotFound.
func (s *Store) Post(ctx context.Context, id string) (Post, error) {
	var p Post
	err := s.pool.QueryRow(ctx, `
		select p.id, p.title, p.url, p.author_id, p.locked, p.created_at,
			coalesce(c.comments, 0), coalesce(c.likes, 0)
		from tidings.posts p
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || p.id
			order by position desc
			limit 1
		) as c on true
		where p.id = $1`, id,
	).Scan(&p.ID, &p.Title, &p.URL, &p.AuthorID, &p.Locked, &p.CreatedAt, &p.Comments, &p.Likes)
	return p, translate(err)
}

// A PostUpdate has all fields of a post that the site sets.
type PostUpdate struct {
	ID       string
	Title    *string
	URL      *string
	AuthorID *string
	Locked   bool
}

// PutPost creates a post or replaces all its fields, and reports whether it was created.
// It returns an *InvalidError for a value that the schema refuses, and ErrBusy.
func (s *Store) PutPost(ctx context.Context, p PostUpdate) (Post, bool, error) {
	var created bool
	err := s.writeWaiting(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			insert into tidings.posts (id, title, url, author_id, locked)
			values ($1, $2, $3, $4, $5)
			on conflict (id) do update
			set title = excluded.title,
				url = excluded.url,
				author_id = excluded.author_id,
				locked = excluded.locked
			returning xmax = 0`, // xmax is 0 in a row that was inserted
			p.ID, p.Title, p.URL, p.AuthorID, p.Locked,
		).Scan(&created)
	})
	if err != nil {
		return Post{}, false, err
	}
	post, err := s.Post(ctx, p.ID)
	return post, created, err
}

// Counts returns the counts of posts by id. An unknown post has zeros.
func (s *Store) Counts(ctx context.Context, posts []string) (map[string]Counts, error) {
	rows, err := s.pool.Query(ctx, `
		select given.id, coalesce(c.comments, 0), coalesce(c.likes, 0)
		from unnest($1::text[]) as given (id)
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || given.id
			order by position desc
			limit 1
		) as c on true`, posts)
	if err != nil {
		return nil, translate(err)
	}
	counts := make(map[string]Counts, len(posts))
	var id string
	var c Counts
	_, err = pgx.ForEachRow(rows, []any{&id, &c.Comments, &c.Likes}, func() error {
		counts[id] = c
		return nil
	})
	return counts, translate(err)
}
