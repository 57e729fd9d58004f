package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The instance loses its LISTEN connection and cannot get another one for a while. The
// hub reads the log only when it is notified, so the comment can arrive only because the
// new connection makes the hub read the log.
func TestListenerLost_DeliversWhatWasWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, func(i *instance) { i.tick = 24 * time.Hour })
	x := sse(t, srv.Client, "now", "post:a")
	other := siteAt(t, storetest.Server().DSN("postgres"))
	database := value[string](t, s, `select current_database()`)
	allowConnections := func(allow bool) {
		other.exec(t, fmt.Sprintf(`alter database %s allow_connections %t`, database, allow))
	}

	allowConnections(false)
	streamtest.Want(t, "the number of ended listeners", value[int](t, s, `
		select count(pg_terminate_backend(pid))
		from pg_stat_activity
		where datname = current_database() and application_name = 'tidings listen'`), 1)
	srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'without a listener')`)
	allowConnections(true)
	x.await(t, "a comment", saying("without a listener"))
	srv.awaitReady(t)
	comment(t, srv.as(t, "ann"), "a", "with a listener")
	x.await(t, "a comment", saying("with a listener"))
}

// Streams and polls stay open while Postgres is down, and lose no event.
func TestPostgresRestart_KeepsReaders(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	s := siteAt(t, postgres.DSN("tidings"))
	streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
	one, two := s.start(t), s.start(t)
	topics := []string{"post:a"}
	taps := tapsOn(t, "now", topics, one, two) // no tap reconnects
	ann := one.as(t, "ann")
	comment(t, ann, "a", "before")

	for _, outage := range []struct {
		name string
		down func(*localpg.Server, context.Context) error
	}{
		{"Stop", (*localpg.Server).Stop},
		{"Crash", (*localpg.Server).Crash},
	} {
		comment(t, ann, "a", "just before "+outage.name)
		fillPools(t, one, two)
		streamtest.Must(t, outage.down(postgres, t.Context()))
		for _, srv := range []*server{one, two} {
			srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
			streamtest.Want(t, "healthz", srv.get(t, "/healthz", nil).StatusCode, http.StatusOK)
		}
		for range 5 { // more than the connections of the pool, all of which are broken
			_, err := ann.CreateComment(t.Context(), "a", client.NewComment{Body: "never"})
			wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
			_, err = two.Comments(t.Context(), "a", client.ListOptions{})
			wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
		}
		streamtest.Must(t, postgres.Restart(t.Context()))
		one.awaitReady(t)
		two.awaitReady(t)
		s.sql.Reset() // the connections of the test are broken as well
		comment(t, ann, "a", "after "+outage.name)
	}

	s.end(t, topics...)
	log := s.logged(t, topics...)
	streamtest.Want(t, "the log", bodies(log), []string{"before", "just before Stop", "after Stop", "just before Crash", "after Crash"})
	for _, x := range taps {
		x.wants(t, log)
	}
}

// fillPools makes so many concurrent requests that each server opens all connections of
// its pool.
func fillPools(t *testing.T, servers ...*server) {
	t.Helper()
	var requests errgroup.Group
	for range 20 {
		for _, srv := range servers {
			requests.Go(func() error {
				_, err := srv.Counts(t.Context(), "a")
				return err
			})
		}
	}
	streamtest.Must(t, requests.Wait())
}

// A stream that needs the log waits while Postgres is down.
func TestReplay_WaitsForPostgres(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	s := siteAt(t, postgres.DSN("tidings"))
	streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
	srv := s.start(t, func(i *instance) { i.RingEvents = 1 })
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'a', 'ann', 'number ' || n from generate_series(1, 9) as n`)
	s.end(t, "post:a")
	log := s.logged(t, "post:a")
	sse(t, srv.Client, "earliest", "post:a").wants(t, log) // then the ring has only the last event

	first := s.cursor(t, 0)
	streamtest.Must(t, postgres.Stop(t.Context()))
	srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
	_, err := srv.Poll(t.Context(), []string{"post:a"}, first, 0, 0)
	wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
	x := returning(t, srv.Client, first, "post:a")
	x.await(t, "the first event", named("stream.ready"))
	streamtest.Must(t, postgres.Restart(t.Context()))
	x.wants(t, log)
}
