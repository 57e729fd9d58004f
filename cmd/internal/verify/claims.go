package verify

import (
	"context"
	"fmt"
	"strconv"
)

// claims are what one user was told of likes and deletes: they carry no number by which
// the log would show them, so the tables must. They belong to one writer, and to the
// judge when it has stopped.
type claims struct {
	user    string
	likes   map[string]likeClaim // by post
	deleted []int64              // comments that are gone
}

type likeClaim struct{ liked, open bool }

func newClaims(user string) *claims { return &claims{user: user, likes: make(map[string]likeClaim)} }

// like notes what became of a like or unlike. One that was not answered may be written
// long after others that were: from then on the post is open.
func (c *claims) like(post string, liked bool, f fate) {
	claim := c.likes[post]
	switch f {
	case acknowledged:
		claim.liked = liked
	case unanswered:
		claim.open = true
	default:
		return
	}
	c.likes[post] = claim
}

// remove notes what became of a delete.
func (c *claims) remove(id string, f fate) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && f == acknowledged {
		c.deleted = append(c.deleted, n)
	}
}

// judgeTables compares the tables with what was acknowledged, and with the counts that
// events and answers are made of.
func (r *run) judgeTables(ctx context.Context) error {
	if r.pool == nil {
		return nil
	}
	for _, c := range r.claims {
		if err := r.judgeClaims(ctx, c); err != nil {
			return err
		}
	}
	rows, err := r.pool.Query(ctx, `
		select post.id, coalesce(told.comments, 0), coalesce(told.likes, 0),
			(select count(*) from tidings.comments c where c.post_id = post.id and c.status = 'published'),
			(select count(*) from tidings.likes l where l.post_id = post.id and l.comment_id is null)
		from unnest($1::text[]) as post (id)
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || post.id
			order by position desc
			limit 1
		) as told on true`, r.cast.posts)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var post string
		var toldComments, toldLikes, comments, likes int64
		if err := rows.Scan(&post, &toldComments, &toldLikes, &comments, &likes); err != nil {
			return err
		}
		if toldComments != comments || toldLikes != likes {
			r.tally.count(lost, 1, "%s: counted are %d comments and %d likes, the tables have %d and %d", post, toldComments, toldLikes, comments, likes)
		}
	}
	return rows.Err()
}

func (r *run) judgeClaims(ctx context.Context, c *claims) error {
	for post, claim := range c.likes {
		if claim.open {
			continue
		}
		var liked bool
		err := r.pool.QueryRow(ctx, `
			select exists (
				select from tidings.likes
				where post_id = $1 and comment_id is null and user_id = $2
			)`, post, c.user,
		).Scan(&liked)
		if err != nil {
			return err
		}
		if liked != claim.liked {
			r.tally.count(lost, 1, "%s: %s was told last that liked is %t, and the table says %t", post, c.user, claim.liked, liked)
		}
	}
	var there int64
	err := r.pool.QueryRow(ctx, `
		select count(*)
		from tidings.comments
		where id = any ($1) and status <> 'deleted'`, c.deleted,
	).Scan(&there)
	if err != nil {
		return fmt.Errorf("look for deleted comments: %w", err)
	}
	r.tally.count(lost, there, "%s was told that %d comments are deleted that are there", c.user, there)
	return nil
}
