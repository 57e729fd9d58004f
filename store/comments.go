package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Comment is one row with its counters and its author's name.
type Comment struct {
	ID        int64
	PostID    string
	ParentID  *int64
	Author    User
	Body      string
	Status    string
	Likes     int64
	Replies   int64
	CreatedAt time.Time
	EditedAt  *time.Time
	Version   int
}

// The statuses that readers can see. A deleted comment stays as a tombstone, with
// neither body nor author, while it has replies.
const (
	StatusPublished = "published"
	StatusDeleted   = "deleted"
)

// MaxBodyRunes bounds the body of a comment; the schema enforces it.
const MaxBodyRunes = 5000

// A NewComment is what its author wrote.
type NewComment struct {
	PostID   string
	ParentID *int64
	Author   User
	Body     string // 1 to MaxBodyRunes characters, not all of them space
}

// CreateComment publishes a comment. It returns ErrPostLocked, ErrNoParent, an
// *InvalidError, or ErrNotFound for an unknown post when posts are not created.
func (s *Store) CreateComment(ctx context.Context, c NewComment) (Comment, error) {
	created := Comment{
		PostID: c.PostID, ParentID: c.ParentID, Author: c.Author, Body: c.Body,
		Status: StatusPublished, Version: 1,
	}
	err := s.write(ctx, func(tx pgx.Tx) error {
		if err := s.requirePost(ctx, tx, c.PostID); err != nil {
			return err
		}
		if err := mayComment(ctx, tx, c); err != nil {
			return err
		}
		if err := noteUser(ctx, tx, c.Author); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			insert into tidings.comments (post_id, parent_id, author_id, body)
			values ($1, $2, $3, $4)
			returning id, created_at`,
			c.PostID, c.ParentID, c.Author.ID, c.Body,
		).Scan(&created.ID, &created.CreatedAt)
	})
	return created, err
}

// mayComment returns ErrPostLocked or ErrNoParent.
func mayComment(ctx context.Context, tx pgx.Tx, c NewComment) error {
	var locked, hasParent bool
	err := tx.QueryRow(ctx, `
		select
			exists (
				select from tidings.posts
				where id = $1 and locked
			),
			$2::bigint is null or exists (
				select from tidings.comments
				where post_id = $1 and id = $2 and status = 'published'
			)`,
		c.PostID, c.ParentID,
	).Scan(&locked, &hasParent)
	switch {
	case err != nil:
		return err
	case locked:
		return ErrPostLocked
	case !hasParent:
		return ErrNoParent
	}
	return nil
}

// DeleteComment takes a comment back. Only its author may, or a moderator: others
// get ErrNotAuthor. Deleting twice is no error; ErrNotFound is.
func (s *Store) DeleteComment(ctx context.Context, id int64, by string, moderator bool) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		var author string
		err := tx.QueryRow(ctx, `
			select author_id
			from tidings.comments
			where id = $1
			for no key update`, id,
		).Scan(&author)
		if err != nil {
			return err
		}
		if author != by && !moderator {
			return ErrNotAuthor
		}
		_, err = tx.Exec(ctx, `
			update tidings.comments
			set status = 'deleted'
			where id = $1 and status <> 'deleted'`, id)
		return err
	})
}
