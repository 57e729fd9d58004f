package main

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var loggedAddress = regexp.MustCompile(`msg=listening addr=([0-9.:]+)`)

// serveAt runs 'tidings serve' on a database until the test ends, and returns its logs.
func serveAt(t *testing.T, dsn string, flags ...string) (said *lines) {
	t.Helper()
	said = newLines()
	args := append([]string{"serve", "--database-url", dsn, "--addr", "127.0.0.1:0", "--jwt-secret", testSecret}, flags...)
	inBackground(t, func(ctx context.Context) error {
		defer said.Close()
		if status := execute(ctx, args, streams{said, said}); status != 0 {
			return fmt.Errorf("exit status %d:\n%s", status, said)
		}
		return nil
	})
	return said
}

func TestServe_StartsFiveInstancesConcurrentlyOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	dsn := storetest.Empty(t)
	starting := make([]*lines, 5)
	for n := range starting {
		starting[n] = serveAt(t, dsn)
	}
	var servers []*server
	for _, said := range starting {
		srv := newServer(t, "http://"+said.await(t, loggedAddress))
		srv.awaitReady(t)
		servers = append(servers, srv)
	}

	var taps []*tap
	for _, srv := range servers {
		taps = append(taps, sse(t, srv.Client, "now", "post:a"))
	}
	for n, srv := range servers {
		body := fmt.Sprintf("from instance %d", n)
		comment(t, srv.as(t, "ann"), "a", body)
		ids := make(map[string]bool)
		for _, x := range taps {
			ids[x.await(t, body, saying(body)).ID] = true
		}
		streamtest.Want(t, "ids of "+body, len(ids), 1)
	}
	migrated := siteAt(t, dsn)
	streamtest.Want(t, "epochs", value[int](t, migrated, `select count(*) from tidings.epochs`), 1)
}

func TestServe_Flags(t *testing.T) {
	t.Parallel()

	t.Run("OfTheServer", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		said := serveAt(t, s.dsn, "--no-auto-posts", "--max-streams", "100000000", "--public-kinds", "order,room", "--demo")
		srv := newServer(t, "http://"+said.await(t, loggedAddress))
		srv.awaitReady(t)
		// --max-streams
		said.await(t, regexp.MustCompile(`above the number of (files)`))
		// --demo
		said.await(t, regexp.MustCompile(`level=WARN msg="the demo page is on: it gives (tokens) to everyone`))
		srv.awaitStatus(t, "/v1/posts/demo", 200)
		command(t, "serve", "--database-url", "postgres:///x", "--demo").wants(t, 1, "--demo needs --jwt-secret")
		// --public-kinds
		x := sse(t, srv.Client, "now", "order:7", "room:7")
		s.exec(t, `select tidings.publish('order:7', 'paid', '{}'), tidings.publish('room:7', 'opened', '{}')`)
		x.await(t, "an order", named("paid"))
		x.await(t, "a room", named("opened"))
		_, err := srv.Stream(t.Context(), []string{"other:7"}, "now")
		wantProblem(t, err, 401, "unauthenticated")
		// --no-auto-posts
		_, err = srv.as(t, "ann").CreateComment(t.Context(), "unknown", client.NewComment{Body: "hello"})
		wantProblem(t, err, 404, "not_found")
		_, err = srv.as(t, "shop", "service").PutPost(t.Context(), "known", client.PostInput{})
		streamtest.Must(t, err)
		comment(t, srv.as(t, "ann"), "known", "hello")
	})

	t.Run("NoMigrateLeavesTheDatabase", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Empty(t)
		srv := newServer(t, "http://"+serveAt(t, dsn, "--no-migrate").await(t, loggedAddress))
		srv.awaitStatus(t, "/readyz", 503)
		_, err := srv.Stream(t.Context(), []string{"post:a"}, "now")
		wantProblem(t, err, 503, "unavailable")
		streamtest.Want(t, "the schema is there", value[bool](t, siteAt(t, dsn), `select to_regnamespace('tidings') is not null`), false)
		streamtest.Want(t, "migrate's exit status", execute(t.Context(), []string{"migrate", "--database-url", dsn}, streams{newLines(), newLines()}), 0)
		srv.awaitReady(t)
	})

	t.Run("NoMigrateWaitsForTheNewestSchema", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.exec(t, `update tidings.migrations set number = number - 1 where kind = 'functions'`)
		said := serveAt(t, s.dsn, "--no-migrate")
		said.await(t, regexp.MustCompile(`waiting for the database.*run tidings (migrate)`))
		srv := newServer(t, "http://"+said.await(t, loggedAddress))
		srv.awaitStatus(t, "/readyz", 503)
		command(t, "migrate", "--database-url", s.dsn).wants(t, 0, "")
		srv.awaitReady(t)
	})

	t.Run("NoMigrateNamesWhatOtherRolesMayMisuse", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.exec(t, `
			grant create on schema tidings to public;
			create function tidings.publish(text, text, json) returns bigint language sql as 'select 0::bigint'`)
		said := serveAt(t, s.dsn, "--no-migrate")
		said.await(t, regexp.MustCompile(`mend="(revoke CREATE on schema tidings from public) cascade"`))
		said.await(t, regexp.MustCompile(`mend="(drop routine tidings.publish\(text,text,json\))"`))
		newServer(t, "http://"+said.await(t, loggedAddress)).awaitReady(t)
	})

	t.Run("NoMigrateRefusesANewerSchema", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.exec(t, `insert into tidings.migrations (kind, number, name, sha256, oldest_program) values ('file', 99, '0099_x.sql', 'x', 99)`)
		command(t, "serve", "--database-url", s.dsn, "--addr", "127.0.0.1:0", "--no-migrate").wants(t, 1, "run a newer tidings")
	})
}
