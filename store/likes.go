package store

import "context"

// Like notes that a user likes a post, and returns the post's count. Liking twice
// changes nothing. It returns ErrNotFound for an unknown post when posts are not
// created, and ErrBusy.
func (s *Store) Like(ctx context.Context, post string, by User) (count int64, err error) {
	w := newWrite(ctx, post, by)
	if err := s.submit(ctx, w); err != nil {
		return 0, err // the write may go on without its caller
	}
	return w.likes, nil
}

// Unlike takes a like back, and returns the post's count. Without a like it changes
// nothing.
func (s *Store) Unlike(ctx context.Context, post, user string) (count int64, err error) {
	w := newWrite(ctx, post, User{ID: user})
	w.unlike = true
	if err := s.submit(ctx, w); err != nil {
		return 0, err // the write may go on without its caller
	}
	return w.likes, nil
}
