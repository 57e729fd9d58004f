package store

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

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

// queueLikes makes and takes back likes. Of several by one user on one post, the last
// one counts, as if they had come one after another.
func (s *Store) queueLikes(batch *pgx.Batch, writes []*write) {
	last := make(map[[2]string]*write)
	for _, w := range writes {
		if w.isLike() {
			last[[2]string{w.post, w.user.ID}] = w
		}
	}
	var likes, unlikes []*write
	for _, w := range last {
		if w.unlike {
			unlikes = append(unlikes, w)
		} else {
			likes = append(likes, w)
		}
	}
	s.queueLike(batch, likes)
	queueUnlike(batch, unlikes)
}

func (s *Store) queueLike(batch *pgx.Batch, likes []*write) {
	if len(likes) == 0 {
		return
	}
	posts, users := postsAndUsers(likes)
	batch.Queue(`
		insert into tidings.likes (post_id, user_id)
		select post_id, user_id
		from unnest($1::text[], $2::text[]) as asked (post_id, user_id)
		where $3 or exists (select from tidings.posts where id = post_id)
		on conflict do nothing`, posts, users, s.autoPosts)
}

func queueUnlike(batch *pgx.Batch, unlikes []*write) {
	if len(unlikes) == 0 {
		return
	}
	posts, users := postsAndUsers(unlikes)
	batch.Queue(`
		delete from tidings.likes
		where ctid = any (array(
			select found.ctid
			from unnest($1::text[], $2::text[]) as asked (post_id, user_id)
			cross join lateral (
				select l.ctid
				from tidings.likes l
				where l.post_id = asked.post_id
					and l.comment_id is null
					and l.user_id = asked.user_id
				offset 0
			) as found
		))`, posts, users)
}

// postsAndUsers sorts the writes by key: two transactions that want the same rows
// must want them in the same order.
func postsAndUsers(writes []*write) (posts, users []string) {
	slices.SortFunc(writes, func(a, b *write) int {
		return strings.Compare(a.post+" "+a.user.ID, b.post+" "+b.user.ID)
	})
	for _, w := range writes {
		posts, users = append(posts, w.post), append(users, w.user.ID)
	}
	return posts, users
}

// queueLikeCounts reads what the commit counted: it is known only after it. It also
// tells who liked a post that isn't there.
func (s *Store) queueLikeCounts(batch *pgx.Batch, writes []*write) {
	byPost := make(map[string][]*write)
	for _, w := range writes {
		if w.isLike() {
			byPost[w.post] = append(byPost[w.post], w)
		}
	}
	if len(byPost) == 0 {
		return
	}
	posts := make([]string, 0, len(byPost))
	for post := range byPost {
		posts = append(posts, post)
	}
	batch.Queue(`
		select asked.id, exists (select from tidings.posts where id = asked.id), coalesce(newest.likes, 0)
		from unnest($1::text[]) as asked (id)
		left join lateral (
			select likes
			from tidings.counts
			where target = 'post:' || asked.id
			order by position desc
			limit 1
		) as newest on true`, posts,
	).Query(func(rows pgx.Rows) error {
		var post string
		var known bool
		var likes int64
		_, err := pgx.ForEachRow(rows, []any{&post, &known, &likes}, func() error {
			for _, w := range byPost[post] {
				w.likes = likes
				if !known && !w.unlike && !s.autoPosts {
					w.err = ErrNotFound
				}
			}
			return nil
		})
		return err
	})
}
