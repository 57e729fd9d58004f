package verify

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// checkTables compares the tables with tidings.counts, which events and answers are made
// from. One statement reads both, so others may write meanwhile. It does nothing without a
// database.
func (r *run) checkTables(ctx context.Context) error {
	if r.pool == nil {
		return nil
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
		) as counted on true`, slices.Concat(r.participants.posts, r.likePosts.all()))
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
