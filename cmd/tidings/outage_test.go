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
)

// The LISTEN connection is lost and cannot be had again for a while.
func TestListenerLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	x := sse(t, srv.Client, "now", "post:a")
	elsewhere := siteAt(t, storetest.Server().DSN("postgres"))
	database := value[string](t, s, `select current_database()`)
	doors := func(open bool) {
		elsewhere.exec(t, fmt.Sprintf(`alter database %s allow_connections %t`, database, open))
	}

	// The log is also read every 5 s. Wait until that has just happened, by an event
	// that rings no doorbell: the next time is far off.
	took := retry(func() time.Duration {
		s.exec(t, `
			insert into tidings.events (position, topic, name, data)
			values (nextval('tidings.positions'), 'post:a', 'without-a-doorbell', '{}')`)
		x.await(t, "an event without a doorbell", named("without-a-doorbell"))
		began := time.Now()
		doors(false)
		want(t, "listeners cut off", value[int](t, s, `
			select count(pg_terminate_backend(pid))
			from pg_stat_activity
			where datname = current_database() and application_name = 'tidings listen'`), 1)
		srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'while nobody listened')`)
		doors(true)
		x.await(t, "a comment", saying("while nobody listened"))
		srv.awaitReady(t)
		return time.Since(began)
	})
	if took > soon {
		t.Errorf("it came after %v, not when the listener was back", took)
	}
	comment(t, srv.as(t, "ann"), "a", "as ever")
	x.await(t, "a comment", saying("as ever"))
}

// soon is well before the log would have been read anyway.
const soon = 4 * time.Second

// retry forgives a busy machine: it tries up to three times to be in time.
func retry(try func() time.Duration) (took time.Duration) {
	for range 3 {
		if took = try(); took <= soon {
			break
		}
	}
	return took
}

// Postgres goes away and comes back: streams and polls are held, and lose nothing.
func TestPostgresRestart(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	s := siteAt(t, postgres.DSN("tidings"))
	must(t, migrations.Up(t.Context(), s.dsn, quiet))
	one, two := s.start(t), s.start(t)
	topics := []string{"post:a"}
	taps := tapsOn(t, "now", topics, one, two) // the same all through: no tap reconnects
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
		crowd(t, one, two)
		must(t, outage.down(postgres, t.Context()))
		for _, srv := range []*server{one, two} {
			srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
			want(t, "healthz", srv.get(t, "/healthz", nil).StatusCode, http.StatusOK)
		}
		for range 5 { // as many as there are connections to find broken, and one to make
			_, err := ann.CreateComment(t.Context(), "a", client.NewComment{Body: "never"})
			wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
			_, err = two.Comments(t.Context(), "a", client.ListOptions{})
			wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
		}
		must(t, postgres.Restart(t.Context()))
		one.awaitReady(t)
		two.awaitReady(t)
		s.sql.Reset() // the test's own connections are gone, too
		comment(t, ann, "a", "after "+outage.name)
	}

	s.end(t, topics...)
	log := s.logged(t, topics...)
	want(t, "the log", bodies(log), []string{"before", "just before Stop", "after Stop", "just before Crash", "after Crash"})
	for _, x := range taps {
		x.wants(t, log)
	}
}

// crowd asks for so much at once that each server has all the connections it may have.
func crowd(t *testing.T, servers ...*server) {
	t.Helper()
	var asking errgroup.Group
	for range 20 {
		for _, srv := range servers {
			asking.Go(func() error {
				_, err := srv.Counts(t.Context(), "a")
				return err
			})
		}
	}
	must(t, asking.Wait())
}

// A reader that needs the log while it cannot be read waits for it.
func TestReplayDuringAnOutage(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	s := siteAt(t, postgres.DSN("tidings"))
	must(t, migrations.Up(t.Context(), s.dsn, quiet))
	srv := s.start(t, func(i *instance) { i.RingEvents = 1 })
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'a', 'ann', 'number ' || n from generate_series(1, 9) as n`)
	s.end(t, "post:a")
	log := s.logged(t, "post:a")
	sse(t, srv.Client, "earliest", "post:a").wants(t, log) // by then the ring has forgotten

	must(t, postgres.Stop(t.Context()))
	srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
	_, err := srv.Poll(t.Context(), []string{"post:a"}, "1-0", 0, 0)
	wantProblem(t, err, http.StatusServiceUnavailable, "unavailable")
	x := sse(t, srv.Client, "1-0", "post:a")
	x.await(t, "the beginning", named("stream.ready"))
	must(t, postgres.Restart(t.Context()))
	x.wants(t, log)
}
