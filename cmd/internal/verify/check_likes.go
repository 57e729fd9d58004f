package verify

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// checkAcknowledged compares the acknowledged likes and deletes of all writers with the
// tables. Without a database it compares the likes with the answers of the API, and the
// deletes with nothing.
func (r *run) checkAcknowledged(ctx context.Context) error {
	for _, a := range r.acknowledged {
		if err := r.checkLikes(ctx, a); err != nil {
			return fmt.Errorf("look for likes: %w", err)
		}
		if err := r.checkDeletes(ctx, a); err != nil {
			return fmt.Errorf("look for deleted comments: %w", err)
		}
	}
	return nil
}

// checkLikes compares the likes of one user, and counts those that it decided.
func (r *run) checkLikes(ctx context.Context, a *acknowledgedState) error {
	posts, want, undecided := a.decided()
	r.undecided += undecided
	read := r.likedByTable
	if r.pool == nil {
		read = r.likedByAPI
	}
	liked, err := read(ctx, a.user, posts)
	if err != nil {
		return err
	}
	for i, post := range posts {
		r.decided++
		if liked[i] != want[i] {
			r.findings.add(lost, 1, "%s: the last acknowledged write of %s makes liked %t, but it is %t", post, a.user, want[i], liked[i])
		}
	}
	return nil
}

// likedByTable reports for each post whether the user likes it.
func (r *run) likedByTable(ctx context.Context, user string, posts []string) ([]bool, error) {
	rows, _ := r.pool.Query(ctx, `
		select exists (
			select from tidings.likes
			where post_id = post.id and comment_id is null and user_id = $2
		)
		from unnest($1::text[]) with ordinality as post (id, number)
		order by number`, posts, user)
	return pgx.CollectRows(rows, pgx.RowTo[bool])
}

// likedByAPI is likedByTable with one request for each post.
func (r *run) likedByAPI(ctx context.Context, user string, posts []string) ([]bool, error) {
	token, err := r.participants.token(user)
	if err != nil {
		return nil, err
	}
	server := r.servers[0].As(token)
	liked := make([]bool, len(posts))
	for i, post := range posts {
		err := r.again(ctx, func() error {
			list, err := server.Comments(ctx, post, client.ListOptions{Limit: 1})
			liked[i] = list.Post.Liked
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return liked, nil
}

// checkDeletes compares the deletes of one user with the tables.
func (r *run) checkDeletes(ctx context.Context, a *acknowledgedState) error {
	if r.pool == nil {
		return nil
	}
	var left int64
	err := r.pool.QueryRow(ctx, `
		select count(*)
		from tidings.comments
		where id = any ($1) and status <> 'deleted'`, a.deleted,
	).Scan(&left)
	if err != nil {
		return err
	}
	r.findings.add(lost, left, "%s: %d comments are in the table although their delete was acknowledged", a.user, left)
	return nil
}
