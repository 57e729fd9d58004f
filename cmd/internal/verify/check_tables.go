package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// checkCounts compares the counts in the newest events of each post with those that
// the API returns.
func (r *run) checkCounts(ctx context.Context) error {
	counts, err := r.counts(ctx)
	if err != nil {
		return err
	}
	for _, post := range r.participants.posts {
		topic := "post:" + post
		answered := counts[post]
		event := client.Counts{
			Comments: r.checker.log.newest[hash(topic, "comment-count", "")].count,
			Likes:    r.checker.log.newest[hash(topic, "like-update", "")].count,
		}
		if event != answered {
			r.findings.add(lost, 1, "%s: the newest events say %d comments and %d likes, the API says %d and %d", post, event.Comments, event.Likes, answered.Comments, answered.Likes)
		}
	}
	return nil
}

// counts asks the first server, and asks again for 10 s if there is no answer.
func (r *run) counts(ctx context.Context) (counts map[string]client.Counts, err error) {
	for range 20 {
		if counts, err = r.servers[0].Counts(ctx, r.participants.posts...); err == nil {
			return counts, nil
		}
		pause(ctx, 500*time.Millisecond)
	}
	return nil, err
}

// checkTables compares the tables with the acknowledged state of each writer and with
// tidings.counts, which events and answers are made from. It does nothing without a
// database.
func (r *run) checkTables(ctx context.Context) error {
	if r.pool == nil {
		return nil
	}
	for _, a := range r.acknowledged {
		if err := r.checkAcknowledged(ctx, a); err != nil {
			return err
		}
	}
	rows, err := r.pool.Query(ctx, `
		select post.id, coalesce(counted.comments, 0), coalesce(counted.likes, 0),
			(select count(*) from tidings.comments c where c.post_id = post.id and c.status = 'published'),
			(select count(*) from tidings.likes l where l.post_id = post.id and l.comment_id is null)
		from unnest($1::text[]) as post (id)
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || post.id
			order by position desc
			limit 1
		) as counted on true`, r.participants.posts)
	if err != nil {
		return err
	}
	var post string
	var countedComments, countedLikes, comments, likes int64
	_, err = pgx.ForEachRow(rows, []any{&post, &countedComments, &countedLikes, &comments, &likes}, func() error {
		if countedComments != comments || countedLikes != likes {
			r.findings.add(lost, 1, "%s: the counts are %d comments and %d likes, the tables have %d and %d", post, countedComments, countedLikes, comments, likes)
		}
		return nil
	})
	return err
}

// checkAcknowledged compares the likes and deletes that one user made with the tables.
func (r *run) checkAcknowledged(ctx context.Context, a *acknowledgedState) error {
	for post, state := range a.likes {
		if state.unknown {
			continue
		}
		var liked bool
		err := r.pool.QueryRow(ctx, `
			select exists (
				select from tidings.likes
				where post_id = $1 and comment_id is null and user_id = $2
			)`, post, a.user,
		).Scan(&liked)
		if err != nil {
			return err
		}
		if liked != state.liked {
			r.findings.add(lost, 1, "%s: the last acknowledged write of %s makes liked %t, the table has %t", post, a.user, state.liked, liked)
		}
	}
	var left int64
	err := r.pool.QueryRow(ctx, `
		select count(*)
		from tidings.comments
		where id = any ($1) and status <> 'deleted'`, a.deleted,
	).Scan(&left)
	if err != nil {
		return fmt.Errorf("look for deleted comments: %w", err)
	}
	r.findings.add(lost, left, "%s: %d comments are in the table although their delete was acknowledged", a.user, left)
	return nil
}
