package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
)

// Likes are the likes of a post after a write of a user, read from one snapshot.
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
	post   string
	user   User
	unlike bool

	after Likes // read after the commit
	err   error // error of this write only
}

// A likeTarget identifies a like.
type likeTarget struct{ post, user string }

func (w *likeWrite) target() likeTarget { return likeTarget{w.post, w.user.ID} }

// Keys implements [group.Write].
func (w *likeWrite) Keys() []group.Key {
	return append(tableKeys("users", "posts", "comments", "likes", "notifications"),
		postKey(w.post), authorKey(w.user), likeKey(w.post, w.user.ID))
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

// queueLikes inserts and deletes likes. If a user has several writes for one post, only the
// last one is made, because only the last one decides the result.
func queueLikes(batch *pgx.Batch, writes []*likeWrite, autoPosts bool) {
	last := make(map[likeTarget]*likeWrite)
	for _, w := range writes {
		last[w.target()] = w
	}
	var likes, unlikes []*likeWrite
	for _, w := range last {
		if w.unlike {
			unlikes = append(unlikes, w)
		} else {
			likes = append(likes, w)
		}
	}
	queueInsertLikes(batch, likes, autoPosts)
	queueDeleteLikes(batch, unlikes)
}

func queueInsertLikes(batch *pgx.Batch, likes []*likeWrite, autoPosts bool) {
	if len(likes) == 0 {
		return
	}
	posts, users := sortedPostsAndUsers(likes)
	batch.Queue(`
		insert into tidings.likes (post_id, user_id)
		select post_id, user_id
		from unnest($1::text[], $2::text[]) as given (post_id, user_id)
		where $3 or exists (select from tidings.posts where id = post_id)
		on conflict do nothing`, posts, users, autoPosts)
}

// queueDeleteLikes finds each row by index in a lateral subquery; offset 0 keeps the
// planner from turning it into a join that reads the table.
func queueDeleteLikes(batch *pgx.Batch, unlikes []*likeWrite) {
	if len(unlikes) == 0 {
		return
	}
	posts, users := sortedPostsAndUsers(unlikes)
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
		))`, posts, users)
}

// sortedPostsAndUsers returns the columns of the writes in the order of their keys. All
// transactions lock rows in this order, so that none deadlock.
func sortedPostsAndUsers(writes []*likeWrite) (posts, users []string) {
	slices.SortFunc(writes, func(a, b *likeWrite) int {
		return strings.Compare(a.post+" "+a.user.ID, b.post+" "+b.user.ID)
	})
	for _, w := range writes {
		posts, users = append(posts, w.post), append(users, w.user.ID)
	}
	return posts, users
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
	var posts, users []string
	for _, w := range writes {
		if same[w.target()] == nil {
			posts, users = append(posts, w.post), append(users, w.user.ID)
		}
		same[w.target()] = append(same[w.target()], w)
	}
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
		) as newest on true`, posts, users,
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
