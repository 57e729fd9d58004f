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
	// IdempotencyKey makes the author's second request with it, within
	// IdempotencyLifetime, answer as the first did. Empty for none.
	IdempotencyKey string
}

// CreateComment publishes a comment. It returns ErrPostLocked, ErrNoParent, an
// *InvalidError, or ErrNotFound for an unknown post when posts are not created; for a
// repeated key ErrInFlight or ErrKeyReused; and ErrBusy.
func (s *Store) CreateComment(ctx context.Context, c NewComment) (Comment, error) {
	w := newWrite(ctx, c.PostID, c.Author)
	w.comment = &c
	if err := s.submit(ctx, w); err != nil {
		return Comment{}, err
	}
	return w.created, nil
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
