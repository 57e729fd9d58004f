package verify

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// checkAcknowledged compares what was acknowledged to all writers with the tables or, without a
// database, with the answers of the API. Notifications are compared with the tables only.
func (r *run) checkAcknowledged(ctx context.Context) error {
	for _, a := range r.acknowledged {
		if err := r.checkLikes(ctx, a); err != nil {
			return fmt.Errorf("look for likes: %w", err)
		}
		if err := r.checkComments(ctx, a); err != nil {
			return fmt.Errorf("look for comments: %w", err)
		}
		if err := r.checkRead(ctx, a); err != nil {
			return fmt.Errorf("look for notifications: %w", err)
		}
	}
	return nil
}

// kindOf is the kind of a like of the target.
func kindOf(t likeTarget) kind {
	if t.comment != "" {
		return kindCommentLike
	}
	return kindLike
}

// checkLikes compares the likes of one user, and counts those that it decided.
func (r *run) checkLikes(ctx context.Context, a *acknowledgedState) error {
	targets, want, undecided := a.decided()
	for _, target := range undecided {
		r.decided[kindOf(target)].Undecided++
	}
	read := r.likedByTable
	if r.pool == nil {
		read = r.likedByAPI
	}
	liked, err := read(ctx, a.user, targets)
	if err != nil {
		return err
	}
	for i, target := range targets {
		if r.pool == nil && target.comment != "" {
			continue // lists do not say who likes a hidden comment
		}
		r.decided[kindOf(target)].Decided++
		if liked[i] != want[i] {
			r.decided[kindOf(target)].Wrong++
			r.findings.add(lost, 1, "like of %s %s: the last acknowledged write of %s makes liked %t, but it is %t", target.post, target.comment, a.user, want[i], liked[i])
		}
	}
	return nil
}

// likedByTable reports for each target whether the user likes it.
func (r *run) likedByTable(ctx context.Context, user string, targets []likeTarget) ([]bool, error) {
	var posts, comments []string
	for _, t := range targets {
		posts, comments = append(posts, t.post), append(comments, t.comment)
	}
	rows, _ := r.pool.Query(ctx, `
		select exists (
			select from tidings.likes
			where post_id = target.post and comment_id is not distinct from nullif(target.comment, '')::bigint and user_id = $3
		)
		from unnest($1::text[], $2::text[]) with ordinality as target (post, comment, number)
		order by number`, posts, comments, user)
	return pgx.CollectRows(rows, pgx.RowTo[bool])
}

// likedByAPI is likedByTable for posts, with one request for each.
func (r *run) likedByAPI(ctx context.Context, user string, targets []likeTarget) ([]bool, error) {
	token, err := r.participants.token(user)
	if err != nil {
		return nil, err
	}
	server := r.servers[0].As(token)
	liked := make([]bool, len(targets))
	for i, target := range targets {
		if target.comment != "" {
			continue
		}
		err := r.again(ctx, func() error {
			list, err := server.Comments(ctx, target.post, client.ListOptions{Limit: 1})
			liked[i] = list.Post.Liked
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return liked, nil
}
