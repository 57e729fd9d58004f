package store

import (
	"context"
	"time"
)

// A Comment is one row of tidings.comments with its counts and its author.
type Comment struct {
	ID          int64
	PostID      string
	ParentID    *int64 // the comment that this one replies to; nil for none
	RootID      *int64 // the comment at the top of the thread; nil for that one
	Author      User
	Body        string // as the author wrote it
	HTML        string // of the body: see Config.HTML
	Status      string
	PinnedAt    *time.Time // nil: not pinned
	Likes       int64
	Liked       bool  // by the viewer of a read
	Replies     int64 // published ones
	ThreadCount int64 // of a root: published comments below it, at any depth
	CreatedAt   time.Time
	EditedAt    *time.Time // nil: never edited
	Version     int        // 1 for a new comment, one more with each change
	Repeated    bool       // of CreateComment: an earlier request with the same key created it
}

// Statuses of comments. Readers see published comments. They see another one without body and
// author, as deleted, as long as a published comment is below it.
const (
	StatusPublished = "published"
	StatusPending   = "pending"
	StatusRejected  = "rejected"
	StatusSpam      = "spam"
	StatusDeleted   = "deleted"
)

// MaxBodyRunes bounds the body of a comment; the schema enforces it.
const MaxBodyRunes = 5000

// MaxMentions bounds the users that a comment mentions; the schema enforces it.
const MaxMentions = 100

// A NewComment is what an author sends.
type NewComment struct {
	PostID   string
	ParentID *int64 // the comment to reply to; nil for none
	Author   User
	Body     string   // 1 to MaxBodyRunes characters, not all of them space
	Mentions []string // ids of users that the text mentions: up to MaxMentions valid ids
	// CreatedAt is the time of a comment that was written elsewhere; nil for now.
	CreatedAt *time.Time
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
	w.created.HTML = s.html.of(w.created.Body)
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
