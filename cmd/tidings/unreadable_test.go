package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// ownedSite is a site whose schema belongs to a role without superuser: a superuser may
// read what has been revoked. The site connects as the superuser, the instance as the owner.
func ownedSite(t *testing.T) (s *site, owner string) {
	t.Helper()
	s = siteAt(t, storetest.Empty(t))
	owner = s.sql.Config().ConnConfig.Database + "_owner"
	s.exec(t, `create role `+owner+` login`)
	s.exec(t, `create schema tidings authorization `+owner)
	address, err := url.Parse(s.dsn)
	streamtest.Must(t, err)
	address.User = url.User(owner)
	streamtest.Must(t, migrations.Up(t.Context(), address.String(), discard))
	s.dsn = address.String()
	return s, owner
}

// A syncBuffer collects a log that several goroutines write.
type syncBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), text)
}

// Something of the database stops the reads of past events. Readers, the operator and the
// load balancer are told, on both transports, and after the repair nothing is missing.
func TestUnreadablePast_IsTold(t *testing.T) {
	t.Parallel()
	// The log has one line for each cause of failures.
	for name, c := range map[string]struct{ breaks, repairs, logs string }{
		"RevokedFunction": {
			`revoke execute on function pg_catalog.unnest(anyarray) from public`,
			`grant execute on function pg_catalog.unnest(anyarray) to public`,
			"past events cannot be read",
		},
		"RevokedTable": {
			`revoke select on tidings.events from %s`,
			`grant select on tidings.events to %s`,
			"log cannot be read",
		},
		"RenamedColumn": {
			`alter table tidings.events rename created_at to made_at`,
			`alter table tidings.events rename made_at to created_at`,
			"past events cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, owner := ownedSite(t)
			sql := func(text string) { s.exec(t, strings.ReplaceAll(text, "%s", owner)) }
			unreadablePast(t, s, func() { sql(c.breaks) }, func() { sql(c.repairs) }, c.logs, 1)
		})
	}
	t.Run("KilledConnections", func(t *testing.T) {
		t.Parallel()
		s, owner := ownedSite(t)
		other := siteAt(t, storetest.Server().DSN("postgres"))
		database := s.sql.Config().ConnConfig.Database
		unreadablePast(t, s, func() {
			other.exec(t, fmt.Sprintf(`alter role %s connection limit 0`, owner))
			other.exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = $2`, database, owner)
		}, func() { other.exec(t, fmt.Sprintf(`alter role %s connection limit -1`, owner)) },
			"log cannot be read", 2) // the session was ended, and the next one refused
	})
}

func unreadablePast(t *testing.T, s *site, breaks, repairs func(), line string, causes int) {
	logs := &syncBuffer{}
	srv := s.start(t, func(i *instance) {
		i.RingEvents, i.tick = 1, time.Second
		i.logger = slog.New(slog.NewTextHandler(logs, nil))
	})
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'a', 'ann', 'number ' || n from generate_series(1, 9) as n`)
	s.end(t, "post:a")
	log := s.logged(t, "post:a")
	first := sse(t, srv.Client, "earliest", "post:a")
	first.wants(t, log)
	from := first.cursors[0]

	breaks()
	streams := []*tap{sse(t, srv.Client, from, "post:a"), sse(t, srv.Client, from, "post:a"), sse(t, srv.Client, from, "post:a")}
	srv.awaitStatus(t, "/readyz", http.StatusServiceUnavailable)
	answer := srv.get(t, "/v1/poll?topic=post:a&cursor="+from, nil)
	body, err := io.ReadAll(answer.Body)
	streamtest.Must(t, err)
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !bytes.Contains(body, []byte(`"unavailable"`)) {
		t.Errorf("a poll is answered %d, %v: %s", answer.StatusCode, answer.Header, body)
	}
	for _, x := range streams {
		bye := x.await(t, "the end", named("stream.bye"))
		streamtest.Want(t, "the reason", string(bye.Data), `{"reason":"unavailable"}`)
		streamtest.Want(t, "the cursor", bye.ID, from)
	}
	if n := logs.count(`msg="` + line + `"`); n == 0 || n > causes {
		t.Errorf("%d lines of log for %d causes", n, causes)
	}
	metrics, err := io.ReadAll(srv.get(t, "/metrics", nil).Body)
	streamtest.Must(t, err)
	if !bytes.Contains(metrics, []byte("tidings_log_readable 0")) || bytes.Contains(metrics, []byte("tidings_background_failures_total{work=\"replay\"} 0\n")) {
		t.Error("the metrics do not tell of the failure")
	}

	repairs()
	srv.awaitReady(t)
	for _, open := range transports {
		open(t, srv.Client, from, "post:a").wants(t, log)
	}
}
