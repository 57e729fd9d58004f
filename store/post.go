package store

import (
	"context"
	"errors"
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
	Liked bool // by the viewer of a read
}

// Counts are the counters of a post. They are never negative.
type Counts struct {
	Comments int64 // published ones, replies included
	Likes    int64
}

// Post returns one post as a viewer sees it, or ErrNotFound.
func (s *Store) Post(ctx context.Context, id, viewer string) (Post, error) {
	var p Post
	err := s.read(ctx, rowQuery([]any{
		&p.ID, &p.Title, &p.URL, &p.AuthorID, &p.Locked, &p.CreatedAt, &p.Comments, &p.Likes, &p.Liked,
	}, `
		select p.id, p.title, p.url, p.author_id, p.locked, p.created_at,
			coalesce(c.comments, 0), coalesce(c.likes, 0),
			exists (
				select from tidings.likes
				where post_id = $1 and comment_id is null and user_id = $2
			)
		from tidings.posts p
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || p.id
			order by position desc
			limit 1
		) as c on true
		where p.id = $1`, id, viewer))
	return p, err
}

// A Change is a new value for a field. The zero Change keeps the old value.
type Change[T any] struct {
	Set   bool
	Value *T // nil clears the field
}

// To returns the change that sets a field to a value.
func To[T any](value T) Change[T] { return Change[T]{true, &value} }

// A PostUpdate has the changes of the fields of a post that the site sets.
type PostUpdate struct {
	ID       string
	Title    Change[string]
	URL      Change[string]
	AuthorID Change[string]
	Locked   Change[bool] // a cleared lock is open
	By       string       // user that changes it
}

// PutPost creates a post or changes its fields, and reports whether it was created.
// It returns an *InvalidError for a value that the schema refuses, and ErrBusy.
func (s *Store) PutPost(ctx context.Context, p PostUpdate) (Post, bool, error) {
	var created bool
	err := s.writeWaiting(ctx, postKey(p.ID), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			insert into tidings.posts as p (id, title, url, author_id, locked)
			values ($1, $2, $3, $4, coalesce($5, false))
			on conflict (id) do update
			set title = case when $6 then excluded.title else p.title end,
				url = case when $7 then excluded.url else p.url end,
				author_id = case when $8 then excluded.author_id else p.author_id end,
				locked = case when $9 then excluded.locked else p.locked end
			returning xmax = 0`, // xmax is 0 in a row that was inserted
			p.ID, p.Title.Value, p.URL.Value, p.AuthorID.Value, p.Locked.Value,
			p.Title.Set, p.URL.Set, p.AuthorID.Set, p.Locked.Set,
		).Scan(&created)
		if errors.Is(err, pgx.ErrNoRows) { // a trigger of the site has left it out
			return errRefused
		}
		return err
	})
	if err != nil {
		return Post{}, false, err
	}
	post, err := s.Post(ctx, p.ID, p.By)
	if errors.Is(err, ErrNotFound) { // a trigger of the site has deleted it, at COMMIT or before
		err = errRefused
	}
	return post, created, err
}

// Counts returns the counts of posts by id. An unknown post has zeros.
func (s *Store) Counts(ctx context.Context, posts []string) (map[string]Counts, error) {
	counts := make(map[string]Counts, len(posts))
	err := s.read(ctx, readQuery{`
		select given.id, coalesce(c.comments, 0), coalesce(c.likes, 0)
		from unnest($1::text[]) as given (id)
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || given.id
			order by position desc
			limit 1
		) as c on true`,
		[]any{posts},
		func(rows pgx.Rows) error {
			var id string
			var c Counts
			_, err := pgx.ForEachRow(rows, []any{&id, &c.Comments, &c.Likes}, func() error {
				counts[id] = c
				return nil
			})
			return err
		}})
	return counts, err
}
