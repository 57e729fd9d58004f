package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Like notes that a user likes a post, and returns the post's count. Liking twice
// changes nothing. It returns ErrNotFound for an unknown post when posts are not
// created.
func (s *Store) Like(ctx context.Context, post string, by User) (count int64, err error) {
	err = s.write(ctx, func(tx pgx.Tx) error {
		if err := s.requirePost(ctx, tx, post); err != nil {
			return err
		}
		if err := noteUser(ctx, tx, by); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			insert into tidings.likes (post_id, user_id)
			values ($1, $2)
			on conflict do nothing`, post, by.ID)
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.likeCount(ctx, post)
}

// Unlike takes a like back, and returns the post's count. Without a like it changes
// nothing.
func (s *Store) Unlike(ctx context.Context, post, user string) (count int64, err error) {
	err = s.write(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			delete from tidings.likes
			where post_id = $1 and comment_id is null and user_id = $2`, post, user)
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.likeCount(ctx, post)
}

// likeCount reads what the commit counted: it is known only after it.
func (s *Store) likeCount(ctx context.Context, post string) (int64, error) {
	counts, err := s.Counts(ctx, []string{post})
	return counts[post].Likes, err
}
