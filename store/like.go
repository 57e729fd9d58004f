package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
)

// Like stores that a user likes a post, and returns the post's number of likes. A second
// like by the same user changes nothing. It returns ErrNotFound for an unknown post if the
// configuration has AutoPosts off, and ErrBusy.
func (s *Store) Like(ctx context.Context, post string, by User) (count int64, err error) {
	return s.submitLike(ctx, &likeWrite{post: post, user: by})
}

// Unlike removes a like, and returns the post's number of likes. If there is no like, it
// changes nothing. It returns ErrBusy.
func (s *Store) Unlike(ctx context.Context, post, user string) (count int64, err error) {
	return s.submitLike(ctx, &likeWrite{post: post, user: User{ID: user}, unlike: true})
}

func (s *Store) submitLike(ctx context.Context, w *likeWrite) (count int64, err error) {
	if err := s.submit(ctx, w); err != nil {
		return 0, err // the transaction may still run and set the fields of w
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.count, nil
}

// A likeWrite is the [group.Write] of a like or of its removal.
type likeWrite struct {
	post   string
	user   User
	unlike bool

	count int64 // the post's likes after the commit
	err   error // error of this write only
}

// Keys implements [group.Write].
func (w *likeWrite) Keys() []group.Key {
	return []group.Key{postKey(w.post), authorKey(w.user), likeKey(w.post, w.user.ID)}
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
	last := make(map[[2]string]*likeWrite)
	for _, w := range writes {
		last[[2]string{w.post, w.user.ID}] = w
	}
	var likes, unlikes []*likeWrite
	for _, w := range last {
		if w.unlike {
			unlikes = append(unlikes, w)
		} else {
			likes = append(likes, w)
		}
	}
	inserted := make(map[string]bool)
	queueInsertLikes(batch, likes, autoPosts, inserted)
	queueDeleteLikes(batch, unlikes)
	queueLikeRefusals(batch, writes, autoPosts, inserted)
}

// queueInsertLikes adds the users whose likes were new to inserted.
func queueInsertLikes(batch *pgx.Batch, likes []*likeWrite, autoPosts bool, inserted map[string]bool) {
	if len(likes) == 0 {
		return
	}
	posts, users := sortedPostsAndUsers(likes)
	batch.Queue(`
		insert into tidings.likes (post_id, user_id)
		select post_id, user_id
		from unnest($1::text[], $2::text[]) as given (post_id, user_id)
		where $3 or exists (select from tidings.posts where id = post_id)
		on conflict do nothing
		returning user_id`, posts, users, autoPosts,
	).Query(func(rows pgx.Rows) error {
		var user string
		_, err := pgx.ForEachRow(rows, []any{&user}, func() error { inserted[user] = true; return nil })
		return err
	})
}

// queueLikeRefusals finds the likes that are not stored, and the removed ones that still
// are: a trigger of the site has left them out. A like of a new row that is stored
// elsewhere was moved there by the site. A post that does not exist has no likes.
func queueLikeRefusals(batch *pgx.Batch, writes []*likeWrite, autoPosts bool, inserted map[string]bool) {
	if len(writes) == 0 {
		return
	}
	type key struct{ post, user string }
	last := make(map[key]*likeWrite)
	for _, w := range writes {
		w.err = nil
		last[key{w.post, w.user.ID}] = w
	}
	var posts, users []string
	var unlikes []bool
	for k, w := range last {
		posts, users, unlikes = append(posts, k.post), append(users, k.user), append(unlikes, w.unlike)
	}
	batch.Queue(`
		select post_id, user_id
		from unnest($1::text[], $2::text[], $3::boolean[]) as given (post_id, user_id, unlike)
		where ($4 or unlike or exists (select from tidings.posts where id = given.post_id offset 0))
			and unlike = exists (
				select from tidings.likes l
				where l.post_id = given.post_id
					and l.comment_id is null
					and l.user_id = given.user_id
				offset 0 -- else Postgres may read the whole table into a hash
			)`, posts, users, unlikes, autoPosts,
	).Query(func(rows pgx.Rows) error {
		var k key
		_, err := pgx.ForEachRow(rows, []any{&k.post, &k.user}, func() error {
			if w := last[k]; w.unlike || !inserted[k.user] {
				w.err = errRefused
			}
			return nil
		})
		for _, w := range writes {
			if by := last[key{w.post, w.user.ID}]; by.unlike == w.unlike {
				w.err = by.err
			}
		}
		return err
	})
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

// queueLikeCounts reads the counts after COMMIT, because the triggers count at COMMIT. It
// sets ErrNotFound for a like of a post that does not exist.
func queueLikeCounts(batch *pgx.Batch, writes []*likeWrite, autoPosts bool) {
	byPost := make(map[string][]*likeWrite)
	for _, w := range writes {
		byPost[w.post] = append(byPost[w.post], w)
	}
	if len(byPost) == 0 {
		return
	}
	posts := make([]string, 0, len(byPost))
	for post := range byPost {
		posts = append(posts, post)
	}
	batch.Queue(`
		select given.id, exists (select from tidings.posts where id = given.id), coalesce(newest.likes, 0)
		from unnest($1::text[]) as given (id)
		left join lateral (
			select likes
			from tidings.counts
			where target = 'post:' || given.id
			order by position desc
			limit 1
		) as newest on true`, posts,
	).Query(func(rows pgx.Rows) error {
		var post string
		var exists bool
		var count int64
		_, err := pgx.ForEachRow(rows, []any{&post, &exists, &count}, func() error {
			for _, w := range byPost[post] {
				w.count = count
				if !exists && !w.unlike && !autoPosts {
					w.err = ErrNotFound
				}
			}
			return nil
		})
		return err
	})
}
