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
	if err != nil {
		return err
	}
	return r.checkThreads(ctx)
}

// checkThreads does the same for the likes and replies of each comment of the run's posts.
func (r *run) checkThreads(ctx context.Context) error {
	rows, _ := r.pool.Query(ctx, `
		select c.id::text,
			array[coalesce(counted.likes, 0), coalesce(counted.comments, 0), coalesce(counted.thread, 0)],
			array[
				(select count(*) from tidings.likes l where l.post_id = c.post_id and l.comment_id = c.id),
				(select count(*) from tidings.comments reply where reply.parent_id = c.id and reply.status = 'published'),
				(select count(*) from tidings.comments reply where reply.root_id = c.id and reply.status = 'published')
			]
		from tidings.comments c
		left join lateral (
			select likes, comments, thread
			from tidings.counts
			where target = 'comment:' || c.id
			order by position desc
			limit 1
		) as counted on true
		where c.post_id = any ($1)`, r.participants.posts)
	var comment string
	var counted, actual []int64 // likes, replies, comments of the thread
	_, err := pgx.ForEachRow(rows, []any{&comment, &counted, &actual}, func() error {
		if !slices.Equal(counted, actual) {
			r.findings.add(lost, 1, "comment %s: the counts of likes, replies and thread are %d, the tables have %d", comment, counted, actual)
		}
		return nil
	})
	return err
}
