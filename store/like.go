package store

import (
	"context"
	"fmt"

	"github.com/tidings-live/tidings/store/group"
)

// Likes are the likes of a post or comment after a write of a user, read from one snapshot.
type Likes struct {
	Count int64
	Liked bool // by the user
}

// Like stores that a user likes a post, and returns the likes of the post afterwards. A
// second like by the same user changes nothing. Liked is false if a trigger of the site
// has left the like out, or if another request has removed it since.
//
// Like returns ErrNotFound for an unknown post if the configuration has AutoPosts off,
// ErrBusy, and an *InvalidError with the message of a trigger that refuses.
func (s *Store) Like(ctx context.Context, post string, by User) (Likes, error) {
	return s.submitLike(ctx, &likeWrite{post: post, user: by})
}

// Unlike removes a like, and returns the likes of the post afterwards. If there is no like,
// it changes nothing. Liked is true if a trigger of the site has kept the like, or if
// another request has stored one since. Unlike returns ErrBusy, and an *InvalidError with
// the message of a trigger that refuses.
func (s *Store) Unlike(ctx context.Context, post, user string) (Likes, error) {
	return s.submitLike(ctx, &likeWrite{post: post, user: User{ID: user}, unlike: true})
}

// LikeComment is Like for a comment. It returns ErrNotFound, and stores only the user, if the
// comment is not published.
func (s *Store) LikeComment(ctx context.Context, id int64, by User) (Likes, error) {
	return s.submitLike(ctx, &likeWrite{comment: id, user: by})
}

// UnlikeComment is Unlike for a comment. It returns ErrNotFound, and keeps the like, if the
// comment is not published.
func (s *Store) UnlikeComment(ctx context.Context, id int64, user string) (Likes, error) {
	return s.submitLike(ctx, &likeWrite{comment: id, user: User{ID: user}, unlike: true})
}

func (s *Store) submitLike(ctx context.Context, w *likeWrite) (Likes, error) {
	if err := s.submit(ctx, w); err != nil {
		return Likes{}, err // the transaction may still run and set the fields of w
	}
	if w.err != nil {
		return Likes{}, w.err
	}
	return w.after, nil
}

// A likeWrite is the [group.Write] of a like or of its removal.
type likeWrite struct {
	post    string
	comment int64 // not 0: of this comment, and post is empty
	user    User
	unlike  bool

	after Likes // read after the commit
	err   error // error of this write only
}

// A likeTarget identifies a like.
type likeTarget struct {
	post    string
	comment int64
	user    string
}

func (w *likeWrite) target() likeTarget { return likeTarget{w.post, w.comment, w.user.ID} }

// Keys implements [group.Write]. The post of a comment is not known here.
func (w *likeWrite) Keys() []group.Key {
	keys := append(tableKeys("users", "posts", "comments", "likes", "notifications"),
		authorKey(w.user), likeKey(w.target()))
	if w.comment != 0 {
		return append(keys, rowOfComment(w.comment))
	}
	return append(keys, postKey(w.post))
}

// Source implements [group.Write].
func (w *likeWrite) Source() string { return userKey(w.user) }

// Risky implements [group.Write].
func (w *likeWrite) Risky() bool { return !storable(w.user.Name) }

// setUncounted sets the error of committed likes whose count could not be read. Their
// callers may repeat them.
func setUncounted(likes []*likeWrite, err error) {
	if err == nil {
		return
	}
	for _, w := range likes {
		w.err = fmt.Errorf("%w: read counts: %w", ErrUnavailable, err)
	}
}
