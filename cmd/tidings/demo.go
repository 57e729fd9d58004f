package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store/session"
)

// demoPost is the id of the post on the demo page.
const demoPost = "demo"

// newDemo describes the demo page with its users Ann and Ben. psql is the shell command
// that connects to the database. token is a token of the user Cat, or a shell command
// substitution that makes one.
func newDemo(secret, psql, token string) *api.Demo {
	return &api.Demo{
		Post:   demoPost,
		Secret: secret,
		Users:  []auth.Identity{{Subject: "ann", Name: "Ann"}, {Subject: "ben", Name: "Ben"}},
		Lines:  func(base string) []api.DemoLine { return demoLines(base, psql, token) },
	}
}

// demoLines are shell commands that can be pasted as they are. base is the URL of the
// server. The README shows the same commands.
func demoLines(base, psql, token string) []api.DemoLine {
	return []api.DemoLine{
		{Title: "Watch the post's events", Text: fmt.Sprintf(`curl -N '%s/v1/events?topic=post:demo'`, base)},
		{Title: "Post a comment as Cat", Text: fmt.Sprintf(
			`curl -sS -H "Authorization: Bearer %s" \
  -H 'Content-Type: application/json' -d '{"body":"Hello from curl"}' \
  %s/v1/posts/demo/comments`, token, base)},
		{Title: "Insert one with SQL", Text: fmt.Sprintf(
			`%s -c "insert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'Hello from psql')"`, psql)},
		{Title: "Publish an event of your own, in a transaction of yours", Text: fmt.Sprintf(
			`%s -c "select tidings.publish('post:demo', 'order.updated', '{\"id\": 7}')"`, psql)},
	}
}

// quote makes s one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// seed creates the users, the post and the first comment of the demo page. It changes
// nothing if the post exists.
func seed(ctx context.Context, dsn string) error {
	cfg, err := session.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	session.PinPooled(cfg, "tidings seed")
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, `
		insert into tidings.users (id, name)
		values ('ann', 'Ann'), ('ben', 'Ben')
		on conflict do nothing;

		with post as (
			insert into tidings.posts (id, title, author_id)
			values ('demo', 'The demo post', 'ann')
			on conflict do nothing
			returning id
		)
		insert into tidings.comments (post_id, author_id, body)
		select id, 'ann', 'Welcome! Write as Ben, and watch both sides.'
		from post`)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}
