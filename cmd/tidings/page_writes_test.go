package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// A pageCall is a write over HTTP.
type pageCall struct {
	kind string
	of   string // SQL condition of the comment that is written; "": none
	do   func(ctx context.Context, p *pageWrite, id string) error
}

var pageCalls = []pageCall{
	{"create", "", func(ctx context.Context, p *pageWrite, _ string) error { return p.create(ctx, nil) }},
	{"reply", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error { return p.create(ctx, &id) }},
	{"reply to reply", `status = 'published' and parent_id is not null`, func(ctx context.Context, p *pageWrite, id string) error {
		return p.create(ctx, &id)
	}},
	{"edit", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client(p.user()).EditComment(ctx, id, p.body(), 0)
		return err
	}},
	{"edit by moderator", `true`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client("mia").EditComment(ctx, id, p.body(), 0)
		return err
	}},
	{"delete", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		return p.client(p.user()).DeleteComment(ctx, id)
	}},
	{"delete by moderator", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		return p.client("mia").DeleteComment(ctx, id)
	}},
	{"set status", `true`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client("mia").SetStatus(ctx, id, pageStatuses[p.random.IntN(len(pageStatuses))])
		return err
	}},
	{"approve", `status <> 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client("mia").SetStatus(ctx, id, "published")
		return err
	}},
	{"pin", `parent_id is null`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client("mia").PinComment(ctx, id)
		return err
	}},
	{"unpin", `pinned_at is not null`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client("mia").UnpinComment(ctx, id)
		return err
	}},
	{"like post", "", func(ctx context.Context, p *pageWrite, _ string) error {
		_, err := p.client(p.user()).LikePost(ctx, p.post)
		return err
	}},
	{"unlike post", "", func(ctx context.Context, p *pageWrite, _ string) error {
		_, err := p.client(p.user()).UnlikePost(ctx, p.post)
		return err
	}},
	{"like comment", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client(p.user()).LikeComment(ctx, id)
		return err
	}},
	{"unlike comment", `status = 'published'`, func(ctx context.Context, p *pageWrite, id string) error {
		_, err := p.client(p.user()).UnlikeComment(ctx, id)
		return err
	}},
	{"put post", "", func(ctx context.Context, p *pageWrite, _ string) error {
		_, err := p.client("site").PutPost(ctx, p.post, client.PostInput{
			Title: client.Value(p.body()), Locked: client.Value(p.random.IntN(4) == 0),
		})
		return err
	}},
	{"mention", "", func(ctx context.Context, p *pageWrite, _ string) error {
		_, err := p.client(p.user()).CreateComment(ctx, p.post, client.NewComment{Body: p.body(), Mentions: []string{p.user(), p.user()}})
		return err
	}},
	{"mark read", "", func(ctx context.Context, p *pageWrite, _ string) error {
		c := p.client(p.user())
		list, err := c.Notifications(ctx, client.NotificationOptions{Limit: 1 + p.random.IntN(9)})
		if err != nil {
			return err
		}
		ids := []string{"1"}
		for _, n := range list.Data {
			if p.random.IntN(2) == 0 {
				ids = append(ids, n.ID)
			}
		}
		_, err = c.MarkRead(ctx, ids...)
		return err
	}},
	{"mark all read", "", func(ctx context.Context, p *pageWrite, _ string) error {
		_, err := p.client(p.user()).MarkAllRead(ctx)
		return err
	}},
	{"rename", "", func(ctx context.Context, p *pageWrite, _ string) error {
		user := p.user()
		_, err := p.named(user, fmt.Sprintf("The %s %d", user, p.random.IntN(100))).LikePost(ctx, p.post)
		return err
	}},
}

// create writes a comment over HTTP.
func (p *pageWrite) create(ctx context.Context, parent *string) error {
	_, err := p.client(p.user()).CreateComment(ctx, p.post, client.NewComment{Body: p.body(), ParentID: parent})
	return err
}

// overHTTP makes a write over HTTP.
func (p *pageWrite) overHTTP(ctx context.Context) (kind string, err error) {
	c := pageCalls[p.random.IntN(len(pageCalls))]
	if c.of == "" {
		return c.kind, c.do(ctx, p, "")
	}
	id, err := p.any(ctx, c.of)
	if err != nil {
		return c.kind, err
	}
	return c.kind, c.do(ctx, p, fmt.Sprint(id))
}

// pageStatements are the statements of transactions. In most of them, @n selects the comments of
// the post.
var pageStatements = []struct{ kind, sql string }{
	{"insert", `
		insert into tidings.comments (post_id, author_id, body, status)
		select @post::text, @user::text, @text::text || i, case when @n::int % 5 = 0 then @status::text else 'published' end
		from generate_series(1, 1 + @n::int % 3) as i`},
	{"insert old", `
		insert into tidings.comments (post_id, author_id, body, created_at)
		values (@post::text, @user::text, @text::text, date_trunc('hour', now()) - make_interval(hours => @n::int % 9))`},
	{"insert reply", `
		insert into tidings.comments (post_id, author_id, body, parent_id, status)
		select @post::text, @user::text, @text::text, id, case when @n::int % 4 = 0 then @status::text else 'published' end
		from tidings.comments
		where post_id = @post::text
		order by hashint8(id # @n::int)
		limit 1 + @n::int % 3`},
	{"insert old reply", `
		insert into tidings.comments (post_id, author_id, body, parent_id, created_at)
		select @post::text, @user::text, @text::text, id, date_trunc('hour', now()) - make_interval(hours => @n::int % 9)
		from tidings.comments
		where post_id = @post::text
		order by hashint8(id # @n::int)
		limit 1`},
	{"insert chain", `
		with new as materialized (
			select nextval(pg_get_serial_sequence('tidings.comments', 'id')) as id, i
			from generate_series(1, 2 + @n::int % 4) as i
		)
		insert into tidings.comments (id, post_id, author_id, body, parent_id)
		select id, @post::text, @user::text, @text::text, lag(id) over (order by id)
		from new
		order by case when @n::int % 2 = 0 then id else -id end`},
	{"edit", `
		update tidings.comments
		set body = @text::text
		where post_id = @post::text and id % 4 = @n::int % 4 and status = 'published'`},
	{"change nothing", `
		update tidings.comments
		set body = body
		where post_id = @post::text`},
	{"set status", `
		update tidings.comments
		set status = @status::text
		where post_id = @post::text and id % 4 = @n::int % 4 and (body <> '' or @status::text = 'deleted')`},
	{"set status on all posts", `
		update tidings.comments
		set status = @status::text
		where id % 7 = @n::int % 7 and (body <> '' or @status::text = 'deleted')`},
	{"approve", `
		update tidings.comments
		set status = 'published'
		where post_id = @post::text and status <> 'published' and body <> ''`},
	{"hide thread", `
		update tidings.comments
		set status = 'spam'
		where coalesce(root_id, id) = (
			select id
			from tidings.comments
			where post_id = @post::text and parent_id is null
			order by hashint8(id # @n::int)
			limit 1
		) and status = 'published'`},
	{"delete thread", `
		with recursive below as (
			select id
			from tidings.comments
			where post_id = @post::text and id % 5 = @n::int % 5
			union
			select c.id
			from below
			join tidings.comments as c on c.parent_id = below.id
		)
		delete from tidings.comments
		where id in (select id from below)`},
	{"delete leaves", `
		delete from tidings.comments as c
		where post_id = @post::text and id % 3 = @n::int % 3
			and not exists (select from tidings.comments as reply where reply.parent_id = c.id)`},
	{"pin", `
		update tidings.comments
		set pinned_at = date_trunc('hour', now()) - make_interval(hours => @n::int % 2)
		where post_id = @post::text and parent_id is null and id % 4 = @n::int % 4`},
	{"unpin", `
		update tidings.comments
		set pinned_at = null
		where post_id = @post::text and pinned_at is not null and id % 2 = @n::int % 2`},
	{"change time", `
		update tidings.comments
		set created_at = created_at - make_interval(mins => @n::int - 500)
		where post_id = @post::text and id % 5 = @n::int % 5`},
	{"change author", `
		update tidings.comments
		set author_id = @user::text
		where post_id = @post::text and id % 5 = @n::int % 5`},
	{"like post", `
		insert into tidings.likes (post_id, user_id)
		select @post::text, u
		from unnest(array[@user::text, 'fan' || @n::int % 9]) as u
		on conflict do nothing`},
	{"unlike post", `
		delete from tidings.likes
		where post_id = @post::text and comment_id is null and (user_id = @user::text or @n::int % 3 = 0)`},
	{"like comments", `
		insert into tidings.likes (post_id, comment_id, user_id)
		select post_id, id, @user::text
		from tidings.comments
		where post_id = @post::text and id % 4 = @n::int % 4
		order by id
		on conflict do nothing`},
	{"unlike comments", `
		delete from tidings.likes
		where post_id = @post::text and comment_id % 3 = @n::int % 3`},
	{"change post", `
		update tidings.posts
		set title = nullif(@text::text, ''), url = 'https://example.org/' || @n::int, author_id = @user::text, locked = @n::int % 4 = 0
		where id = @post::text`},
	{"delete post", `
		delete from tidings.posts
		where id = @post::text and @n::int % 5 = 0`},
	{"rename", `
		update tidings.users
		set name = 'The ' || id || ' ' || @n::int
		where id = @user::text`},
	{"delete user", `
		delete from tidings.users
		where id = @user::text and @n::int % 3 = 0`},
	{"read notifications", `
		update tidings.notifications
		set read_at = now()
		where user_id = @user::text and read_at is null and id % 2 = @n::int % 2`},
	{"read again", `
		update tidings.notifications
		set read_at = now()
		where user_id = @user::text and id % 3 = @n::int % 3`},
	{"unread notifications", `
		update tidings.notifications
		set read_at = null
		where user_id = @user::text and id % 7 = @n::int % 7`},
	{"change time of notifications", `
		update tidings.notifications
		set created_at = created_at - make_interval(mins => 1 + @n::int % 3)
		where user_id = @user::text and id % 6 = @n::int % 6`},
	{"mention", `
		update tidings.comments
		set mentions = array['ann', 'cat', @user::text]
		where post_id = @post::text and id % 6 = @n::int % 6`},
	{"delete notifications", `
		delete from tidings.notifications
		where user_id = @user::text and id % 5 = @n::int % 5`},
}

// inTransaction makes one to four statements in a transaction, some of them in a savepoint that
// it rolls back. It rolls back one of eight transactions.
func (p *pageWrite) inTransaction(ctx context.Context) (kind string, err error) {
	tx, err := p.site.sql.Begin(ctx)
	if err != nil {
		return "begin", err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // usually it has ended
	if _, err := tx.Exec(ctx, `set local deadlock_timeout = '10ms'`); err != nil {
		return "begin", err
	}
	for range 1 + p.random.IntN(4) {
		if kind, err = p.statement(ctx, tx, p.random.IntN(6) == 0); err != nil {
			return kind, err
		}
	}
	if p.random.IntN(8) == 0 {
		return "rollback", tx.Rollback(ctx)
	}
	return kind, tx.Commit(ctx)
}

// statement runs a random statement, in a savepoint that it rolls back if undone is true.
func (p *pageWrite) statement(ctx context.Context, tx pgx.Tx, undone bool) (kind string, err error) {
	s := pageStatements[p.random.IntN(len(pageStatements))]
	args := pgx.NamedArgs{
		"post": p.post, "user": p.user(), "text": p.body(),
		"n": p.random.IntN(1000), "status": pageStatuses[p.random.IntN(len(pageStatuses))],
	}
	if !undone {
		_, err = tx.Exec(ctx, s.sql, args)
		return s.kind, err
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return s.kind, err
	}
	if _, err := savepoint.Exec(ctx, s.sql, args); err != nil {
		return s.kind, err
	}
	return s.kind, savepoint.Rollback(ctx)
}
