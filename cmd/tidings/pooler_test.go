package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// poolSize is how many connections to Postgres the pooler shares out.
const poolSize = 2

// All calls work through PgBouncer in transaction mode, with the settings of
// docs/postgres.md: default_query_exec_mode makes pgx leave no prepared statement on a
// connection.
func TestPooler(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pooled := storetest.NewPooler(t, s.dsn, poolSize)
	for _, mode := range []string{"cache_describe", "exec"} {
		t.Run(mode, func(t *testing.T) {
			through := func(i *instance) { i.DatabaseURL, i.ListenURL = inMode(pooled, mode), s.dsn }
			alone := func(i *instance) { i.GroupCommit = "off" }
			one, two := s.start(t, through), s.start(t, through, alone)
			t.Run("ServesEverything", func(t *testing.T) { servesEverything(t, s, one, two, mode) })
			t.Run("LosesNothing", func(t *testing.T) { losesNothing(t, s, pooled, one, two, "busy-"+mode) })
			t.Run("LeavesNoStateOnConnections", func(t *testing.T) { leavesNothing(t, s, pooled) })
			one.awaitReady(t)
			two.awaitReady(t)
		})
	}
}

// Without TIDINGS_LISTEN_URL, an instance behind a pooler cannot migrate. With
// --no-migrate, LISTEN succeeds and no notification arrives: the instance is never ready,
// logs the reason, and still delivers, because it also reads the log every 5 s.
func TestPooler_WithoutListenURL(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pooled := inMode(storetest.NewPooler(t, s.dsn, poolSize), "cache_describe")
	command(t, "serve", "--database-url", pooled).wants(t, 1, "unsupported startup parameter")

	said := serveAt(t, pooled, "--no-migrate")
	srv := newServer(t, "http://"+said.await(t, loggedAddress))
	srv.awaitStatus(t, "/v1/poll?topic=post:a", http.StatusOK)
	x := sse(t, srv.Client, "now", "post:a")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'without a notification')`)
	x.await(t, "a comment", saying("without a notification"))
	streamtest.Eventually(t, "the instance logs that its listener gets nothing", func() bool {
		answer := srv.get(t, "/readyz", nil)
		answer.Body.Close()
		streamtest.Want(t, "readyz", answer.StatusCode, http.StatusServiceUnavailable)
		return strings.Contains(said.String(), `msg="listener lost" err="the LISTEN connection receives no notifications"`)
	})
}

// servesEverything calls each part of the API.
func servesEverything(t *testing.T, s *site, one, two *server, post string) {
	ctx, topic := patient(t), "post:"+post
	taps := tapsOn(t, "now", []string{topic}, one, two)
	ann, ben, shop := one.as(t, "ann"), two.as(t, "ben"), one.as(t, "shop", "service")

	_, err := shop.PutPost(ctx, post, client.PostInput{Title: client.Value("A post"), AuthorID: client.Value("ann")})
	streamtest.Must(t, err)
	root := comment(t, ben, post, "a root")
	once := client.NewComment{Body: "a reply", ParentID: &root.ID, IdempotencyKey: "once-" + post}
	reply, err := ann.CreateComment(ctx, post, once)
	streamtest.Must(t, err)
	again, err := ann.CreateComment(ctx, post, once)
	streamtest.Must(t, err)
	streamtest.Want(t, "the id of the comment that was sent twice", again.ID, reply.ID)
	notices, err := ann.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 1})
	streamtest.Must(t, err)
	streamtest.Want(t, "notices", len(notices.Data), 1)
	streamtest.Must(t, ben.DeleteComment(ctx, root.ID))
	for _, c := range []*client.Client{ann, ben} {
		_, err = c.LikePost(ctx, post)
		streamtest.Must(t, err)
	}
	likes, err := ben.UnlikePost(ctx, post)
	streamtest.Must(t, err)
	streamtest.Want(t, "likes", likes, client.Likes{Count: 1})
	streamtest.Must(t, shop.Publish(ctx, topic, "custom", map[string]int{"n": 1}))

	list, err := ann.Comments(ctx, post, client.ListOptions{})
	streamtest.Must(t, err)
	streamtest.Want(t, "the list's counts", []any{list.Post.CommentCount, list.Post.LikeCount, list.Post.Liked}, []any{int64(1), int64(1), true})
	counts, err := one.Counts(ctx, post)
	streamtest.Must(t, err)
	streamtest.Want(t, "counts", counts[post], client.Counts{Comments: 1, Likes: 1})
	notices, err = ann.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 1})
	streamtest.Must(t, err)
	streamtest.Want(t, "notices of what was removed", len(notices.Data), 0)

	ticket, err := ann.Ticket(ctx, []string{"me"})
	streamtest.Must(t, err)
	private := listen(t, two.Client, "now", []string{"me"}, client.WithParam("ticket", ticket.Ticket))
	streamtest.Must(t, shop.Publish(ctx, "user:ann", "for-ann", map[string]int{}))
	private.await(t, "a private event", named("for-ann"))
	typing := sse(t, two.Client, "now", topic)
	streamtest.Must(t, ann.Typing(ctx, post))
	typing.await(t, "typing", named("typing"))

	s.end(t, topic)
	for _, x := range taps {
		x.wants(t, s.logged(t, topic))
	}
}

// losesNothing writes with many more concurrent clients than the pooler has
// connections: over HTTP, and with SQL through the same pooler.
func losesNothing(t *testing.T, s *site, pooled string, one, two *server, post string) {
	const posters, each = 32, 3
	ctx, topic := patient(t), "post:"+post
	taps := tapsOn(t, "now", []string{topic}, one, two)
	var group errgroup.Group
	for n := range posters {
		name := fmt.Sprint("poster", n)
		write := overSQL(inMode(pooled, "cache_describe"), post, name)
		if n%4 > 0 {
			c := []*server{one, two}[n%2].as(t, name)
			write = func(ctx context.Context, times int) error {
				for range times {
					if _, err := c.CreateComment(ctx, post, client.NewComment{Body: name}); err != nil {
						return err
					}
				}
				_, err := c.LikePost(ctx, post)
				return err
			}
		}
		group.Go(func() error { return write(ctx, each) })
	}
	streamtest.Must(t, group.Wait())
	s.end(t, topic)
	log := s.logged(t, topic)
	streamtest.Want(t, "comments in the log", len(bodies(log)), posters*each)
	counts, err := one.Counts(ctx, post)
	streamtest.Must(t, err)
	streamtest.Want(t, "counts", counts[post], client.Counts{Comments: posters * each, Likes: posters})
	for _, x := range taps {
		x.wants(t, log)
	}
}

// overSQL returns a function that comments, in one transaction each, and then likes.
func overSQL(dsn, post, name string) func(context.Context, int) error {
	return func(ctx context.Context, times int) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for range times {
			_, err := conn.Exec(ctx, `insert into tidings.comments (post_id, author_id, body) values ($1, $2, $2)`, post, name)
			if err != nil {
				return err
			}
		}
		_, err = conn.Exec(ctx, `insert into tidings.likes (post_id, user_id) values ($1, $2)`, post, name)
		return err
	}
}

// leavesNothing compares the state of the pooler's connections with that of a new
// connection. It holds a transaction open on each, so that each one is another.
func leavesNothing(t *testing.T, s *site, pooled string) {
	state := func(tx pgx.Tx) (found string) {
		t.Helper()
		streamtest.Must(t, tx.QueryRow(patient(t), `
			select concat_ws(' ', current_setting('lock_timeout'), current_setting('synchronous_commit'),
				current_setting('default_transaction_isolation'), current_setting('search_path'),
				(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
				(select count(*) from pg_prepared_statements where name <> ''),
				(select count(*) from pg_listening_channels()))`, pgx.QueryExecModeSimpleProtocol,
		).Scan(&found))
		return found
	}
	dsns := append([]string{s.dsn}, slices.Repeat([]string{inMode(pooled, "exec")}, poolSize)...)
	var states []string
	for _, dsn := range dsns {
		conn, err := pgx.Connect(patient(t), dsn)
		streamtest.Must(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		tx, err := conn.Begin(patient(t)) // open until the test ends
		streamtest.Must(t, err)
		states = append(states, state(tx))
	}
	streamtest.Want(t, "states of one new connection and the pooler's", states, slices.Repeat(states[:1], 1+poolSize))
}

// inMode adds pgx's way to run queries to a DSN.
func inMode(dsn, mode string) string { return dsn + "&default_query_exec_mode=" + mode }
