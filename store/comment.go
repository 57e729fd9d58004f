package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Comment is one row of tidings.comments with its counts and its author.
type Comment struct {
	ID        int64
	PostID    string
	ParentID  *int64 // the comment that this one replies to; nil for none
	Author    User
	Body      string // as the author wrote it
	HTML      string // of the body: see Config.HTML
	Status    string
	Likes     int64
	Replies   int64 // published ones
	CreatedAt time.Time
	EditedAt  *time.Time // nil: never edited
	Version   int        // 1 for a new comment, one more with each change
	Repeated  bool       // of CreateComment: an earlier request with the same key created it
}

// The statuses that readers can see. A deleted comment that has replies stays in lists
// without body and author.
const (
	StatusPublished = "published"
	StatusDeleted   = "deleted"
)

// MaxBodyRunes bounds the body of a comment; the schema enforces it.
const MaxBodyRunes = 5000

// A NewComment is what an author sends.
type NewComment struct {
	PostID   string
	ParentID *int64 // the comment to reply to; nil for none
	Author   User
	Body     string // 1 to MaxBodyRunes characters, not all of them space
	// IdempotencyKey identifies the request of this author. A second request with the
	// same key within IdempotencyLifetime gets the answer of the first. Empty for none.
	IdempotencyKey string
}

// CreateComment publishes a comment. It returns the comment as it is stored: a trigger of
// the site may have changed its body and status. It returns ErrPostLocked, ErrNoParent,
// an *InvalidError, and ErrNotFound for an unknown post if the configuration has
// AutoPosts off; for a key that was used before ErrInFlight or ErrKeyReused; and ErrBusy.
func (s *Store) CreateComment(ctx context.Context, c NewComment) (Comment, error) {
	w := &commentWrite{NewComment: c}
	end, err := s.claims.begin(ctx, w)
	if err != nil {
		return Comment{}, err
	}
	defer end()
	if err := s.submit(ctx, w); err != nil {
		return Comment{}, err
	}
	if by := &w.created.Author; by.ID != "" && by.Name == "" { // a trigger of the site has set another author
		s.addName(ctx, by)
	}
	w.created.HTML = s.html(w.created.Body)
	return w.created, w.err
}

// addName adds the stored name and avatar of a user. If they cannot be read, the name is the
// id: the comment is stored all the same.
func (s *Store) addName(ctx context.Context, u *User) {
	err := s.read(ctx, rowQuery([]any{&u.Name, &u.AvatarURL}, `
		select name, avatar_url
		from tidings.users
		where id = $1`, u.ID))
	if err != nil {
		u.Name = u.ID
	}
}

// DeleteComment deletes a comment for its author or for a moderator. Others get
// ErrNotAuthor. It returns ErrNotFound if the comment does not exist, nil if it is
// deleted already, and an *InvalidError if a trigger of the site refuses.
func (s *Store) DeleteComment(ctx context.Context, id int64, by string, moderator bool) error {
	return s.writeWaiting(ctx, rowOfComment(id), func(tx pgx.Tx) error {
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
		if _, err = tx.Exec(ctx, `
			update tidings.comments
			set status = 'deleted'
			where id = $1 and status <> 'deleted'`, id); err != nil {
			return err
		}
		// A trigger of the site may have left the update out, or deleted the row.
		var kept bool
		err = tx.QueryRow(ctx, `
			select exists (select from tidings.comments where id = $1 and status <> 'deleted')`, id,
		).Scan(&kept)
		if err == nil && kept {
			err = errRefused
		}
		return err
	})
}
