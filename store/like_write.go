package store

import (
	"cmp"
	"slices"

	"github.com/jackc/pgx/v5"
)

// queueLikes inserts and deletes likes. If a user has several writes for one post or comment,
// only the last one is made, because only the last one decides the result.
func queueLikes(batch *pgx.Batch, writes []*likeWrite, autoPosts bool) {
	last := make(map[likeTarget]*likeWrite)
	for _, w := range writes {
		w.err = nil // of a transaction that was rolled back
		last[w.target()] = w
	}
	var posts, unlikedPosts, comments, unlikedComments []likeTarget
	for target, w := range last {
		switch {
		case target.comment == 0 && w.unlike:
			unlikedPosts = append(unlikedPosts, target)
		case target.comment == 0:
			posts = append(posts, target)
		case w.unlike:
			unlikedComments = append(unlikedComments, target)
		default:
			comments = append(comments, target)
		}
	}
	queueInsertLikes(batch, posts, autoPosts)
	queueCommentLikes(batch, comments, insertCommentLikes, writes)
	queueDeleteLikes(batch, unlikedPosts)
	queueCommentLikes(batch, unlikedComments, deleteCommentLikes, writes)
}

func queueInsertLikes(batch *pgx.Batch, likes []likeTarget, autoPosts bool) {
	if len(likes) == 0 {
		return
	}
	c := sortedColumns(likes)
	batch.Queue(`
		insert into tidings.likes (post_id, user_id)
		select post_id, user_id
		from unnest($1::text[], $2::text[]) as given (post_id, user_id)
		where $3 or exists (select from tidings.posts where id = post_id offset 0)
		on conflict do nothing`, c.posts, c.users, autoPosts)
}

// queueDeleteLikes finds each row by index in a lateral subquery; offset 0 keeps the
// planner from turning it into a join that reads the table.
func queueDeleteLikes(batch *pgx.Batch, unlikes []likeTarget) {
	if len(unlikes) == 0 {
		return
	}
	c := sortedColumns(unlikes)
	batch.Queue(`
		delete from tidings.likes
		where ctid = any (array(
			select found.ctid
			from unnest($1::text[], $2::text[]) as given (post_id, user_id)
			cross join lateral (
				select l.ctid
				from tidings.likes l
				where l.post_id = given.post_id
					and l.comment_id is null
					and l.user_id = given.user_id
				offset 0
			) as found
		))`, c.posts, c.users)
}

// These statements insert or delete the likes of published comments, and return the comments.
const (
	publishedComments = `
		with published as materialized (
			select c.post_id, given.comment_id, given.user_id
			from unnest($1::bigint[], $2::text[]) as given (comment_id, user_id)
			cross join lateral (
				select post_id
				from tidings.comments
				where id = given.comment_id and status = 'published'
				offset 0
			) as c
		)`

	insertCommentLikes = publishedComments + `,
		inserted as (
			insert into tidings.likes (post_id, comment_id, user_id)
			select post_id, comment_id, user_id
			from published
			on conflict do nothing
		)
		select comment_id
		from published`

	deleteCommentLikes = publishedComments + `,
		deleted as (
			delete from tidings.likes
			where ctid = any (array(
				select found.ctid
				from published
				cross join lateral (
					select l.ctid
					from tidings.likes l
					where l.post_id = published.post_id
						and l.comment_id = published.comment_id
						and l.user_id = published.user_id
					offset 0
				) as found
			))
		)
		select comment_id
		from published`
)

// queueCommentLikes runs one of the statements, and sets ErrNotFound for the writes to the same
// comments if they are not published.
func queueCommentLikes(batch *pgx.Batch, targets []likeTarget, sql string, writes []*likeWrite) {
	if len(targets) == 0 {
		return
	}
	c := sortedColumns(targets)
	batch.Queue(sql, c.comments, c.users).Query(func(rows pgx.Rows) error {
		missing := make(map[int64]bool)
		for _, id := range c.comments {
			missing[id] = true
		}
		var id int64
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { delete(missing, id); return nil })
		if err != nil {
			return err
		}
		for _, w := range writes {
			if missing[w.comment] {
				w.err = ErrNotFound
			}
		}
		return nil
	})
}

// likeColumns are likes as arrays, for unnest.
type likeColumns struct {
	posts    []string
	comments []int64
	users    []string
}

// sortedColumns returns the columns of likes in the order of their keys. All transactions lock
// rows in this order, so that none deadlock.
func sortedColumns(likes []likeTarget) (c likeColumns) {
	slices.SortFunc(likes, func(a, b likeTarget) int {
		return cmp.Or(cmp.Compare(a.post, b.post), cmp.Compare(a.comment, b.comment), cmp.Compare(a.user, b.user))
	})
	for _, l := range likes {
		c.posts, c.comments, c.users = append(c.posts, l.post), append(c.comments, l.comment), append(c.users, l.user)
	}
	return c
}

// queueLikesAfter reads the likes after COMMIT, because the triggers count at COMMIT. It
// sets ErrNotFound for a like of a post that does not exist.
func (c committer) queueLikesAfter(batch *pgx.Batch, writes []*likeWrite) {
	if len(writes) == 0 {
		return
	}
	if c.pooled {
		batch.Queue("begin isolation level read committed read only")
		queueLocal(batch, true)
		defer batch.Queue("commit")
	}
	same := make(map[likeTarget][]*likeWrite)
	var ofPosts, ofComments []likeTarget
	for _, w := range writes {
		if same[w.target()] == nil {
			if w.comment == 0 {
				ofPosts = append(ofPosts, w.target())
			} else {
				ofComments = append(ofComments, w.target())
			}
		}
		same[w.target()] = append(same[w.target()], w)
	}
	c.queuePostLikesAfter(batch, ofPosts, same)
	queueCommentLikesAfter(batch, ofComments, same)
}

func (c committer) queuePostLikesAfter(batch *pgx.Batch, targets []likeTarget, same map[likeTarget][]*likeWrite) {
	if len(targets) == 0 {
		return
	}
	given := sortedColumns(targets)
	batch.Queue(`
		select given.post_id, given.user_id,
			exists (select from tidings.posts where id = given.post_id offset 0), -- else Postgres may hash the whole table
			coalesce(newest.likes, 0),
			exists (
				select from tidings.likes l
				where l.post_id = given.post_id
					and l.comment_id is null
					and l.user_id = given.user_id
				offset 0
			)
		from unnest($1::text[], $2::text[]) as given (post_id, user_id)
		left join lateral (
			select likes
			from tidings.counts
			where target = 'post:' || given.post_id
			order by position desc
			limit 1
		) as newest on true`, given.posts, given.users,
	).Query(func(rows pgx.Rows) error {
		var k likeTarget
		var exists bool
		var after Likes
		_, err := pgx.ForEachRow(rows, []any{&k.post, &k.user, &exists, &after.Count, &after.Liked}, func() error {
			for _, w := range same[k] {
				w.after = after
				if !exists && !w.unlike && !c.autoPosts {
					w.err = ErrNotFound
				}
			}
			return nil
		})
		return err
	})
}

func queueCommentLikesAfter(batch *pgx.Batch, targets []likeTarget, same map[likeTarget][]*likeWrite) {
	if len(targets) == 0 {
		return
	}
	given := sortedColumns(targets)
	batch.Queue(`
		select given.comment_id, given.user_id,
			coalesce(newest.likes, 0),
			exists (
				select from tidings.likes l
				where l.post_id = (select post_id from tidings.comments where id = given.comment_id)
					and l.comment_id = given.comment_id
					and l.user_id = given.user_id
				offset 0
			)
		from unnest($1::bigint[], $2::text[]) as given (comment_id, user_id)
		left join lateral (
			select likes
			from tidings.counts
			where target = 'comment:' || given.comment_id
			order by position desc
			limit 1
		) as newest on true`, given.comments, given.users,
	).Query(func(rows pgx.Rows) error {
		var k likeTarget
		var after Likes
		_, err := pgx.ForEachRow(rows, []any{&k.comment, &k.user, &after.Count, &after.Liked}, func() error {
			for _, w := range same[k] {
				w.after = after
			}
			return nil
		})
		return err
	})
}
