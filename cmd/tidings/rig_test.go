package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
)

const (
	testSecret = "thirty-two bytes are the least, these are more"
	// patience is how long a test waits for what must happen.
	patience = 30 * time.Second
)

// A site is a database of the test's own, and plain SQL beside the instances that
// serve it.
type site struct {
	dsn string
	sql *pgxpool.Pool
}

func newSite(t *testing.T) *site {
	t.Helper()
	return siteAt(t, storetest.Database(t))
}

func siteAt(t *testing.T, dsn string) *site {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	must(t, err)
	t.Cleanup(pool.Close)
	return &site{dsn: dsn, sql: pool}
}

// exec runs SQL as one transaction.
func (s *site) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := s.sql.Exec(t.Context(), sql, args...)
	must(t, err)
}

// value runs a query that returns one value.
func value[T any](t *testing.T, s *site, sql string, args ...any) (v T) {
	t.Helper()
	must(t, s.sql.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

// the-end closes what a test looks at: whoever has seen it has seen all before it.
const theEnd = "the-end"

// end publishes the-end to each of the topics.
func (s *site) end(t *testing.T, topics ...string) {
	t.Helper()
	s.exec(t, `select tidings.publish(topic, 'the-end', '{}') from unnest($1::text[]) as topic`, topics)
}

// logged is what the log holds for the topics, besides the-end, as readers must see it.
func (s *site) logged(t *testing.T, topics ...string) []client.Event {
	t.Helper()
	rows, _ := s.sql.Query(t.Context(), `
		select '1-' || position, topic, name, data
		from tidings.events
		where topic = any($1) and name <> 'the-end'
		order by position`, topics)
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e client.Event, err error) {
		return e, row.Scan(&e.ID, &e.Topic, &e.Name, &e.Data)
	})
	must(t, err)
	return events
}

// A server is an instance that runs in this process, as nobody calls it.
type server struct {
	*client.Client
	url  string
	http *http.Client
	stop func() // now, and not when the test ends
}

// start runs an instance until the test ends, and wants it to end well. It returns
// when the instance is ready.
func (s *site) start(t *testing.T, edit ...func(*instance)) *server {
	t.Helper()
	listening := make(chan net.Addr, 1)
	i := instance{
		databaseFlags: databaseFlags{DatabaseURL: s.dsn},
		serverFlags:   serverFlags{AutoPosts: true, Drain: 10 * time.Second},
		addr:          "127.0.0.1:0",
		secret:        testSecret,
		logger:        slog.New(slog.NewTextHandler(t.Output(), nil)),
		listening:     func(addr net.Addr) { listening <- addr },
	}
	for _, e := range edit {
		e(&i)
	}
	running := inBackground(t, func(ctx context.Context) error { return run(ctx, i) })
	select {
	case addr := <-listening:
		srv := newServer(t, "http://"+addr.String())
		srv.stop = running.stop
		srv.awaitReady(t)
		return srv
	case <-running.ended:
		t.Fatal("the instance did not start")
		return nil
	}
}

// newServer is whoever listens at the address.
func newServer(t *testing.T, url string) *server {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	c, err := client.New(url, client.WithHTTPClient(h))
	must(t, err)
	t.Cleanup(h.CloseIdleConnections)
	return &server{Client: c, url: url, http: h}
}

// A task is something that runs beside the test.
type task struct {
	stop  func() // ends it, and waits until it has
	ended <-chan struct{}
}

// inBackground runs something until the test ends, and wants it to end well.
func inBackground(t *testing.T, what func(context.Context) error) task {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := what(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return task{stop, ended}
}

// as is the server as a user calls it.
func (s *server) as(t *testing.T, user string, roles ...string) *client.Client {
	t.Helper()
	return s.As(token(t, auth.Identity{Subject: user, Name: "The " + user, Roles: roles, Expires: time.Now().Add(time.Hour)}))
}

func token(t *testing.T, who auth.Identity) string {
	t.Helper()
	signed, err := auth.SignToken(testSecret, who)
	must(t, err)
	return signed
}

// get is a request that no client of ours would make. The body is closed with the test.
func (s *server) get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	must(t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := s.http.Do(r)
	must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	s.awaitStatus(t, "/readyz", http.StatusOK)
}

func (s *server) awaitStatus(t *testing.T, path string, status int) {
	t.Helper()
	eventually(t, path+" answers "+http.StatusText(status), func() bool {
		answer := s.get(t, path, nil)
		answer.Body.Close()
		return answer.StatusCode == status
	})
}

// comment writes one and wants it to be taken.
func comment(t *testing.T, c *client.Client, post, body string) client.Comment {
	t.Helper()
	created, err := c.CreateComment(t.Context(), post, client.NewComment{Body: body})
	must(t, err)
	return created
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, patience, what, holds)
}

// within waits for a condition that may take longer.
func within(t *testing.T, most time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(most)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", most, what)
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %+v, want %+v", what, got, want)
	}
}

// decode reads an event's data.
func decode[T any](t *testing.T, e client.Event) (v T) {
	t.Helper()
	must(t, json.Unmarshal(e.Data, &v))
	return v
}

// every does something again and again until ctx ends.
func every(ctx context.Context, interval time.Duration, do func() error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := do(); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// wantProblem wants a refusal.
func wantProblem(t *testing.T, err error, status int, code string) *client.Problem {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != status || p.Code != code {
		t.Fatalf("got %v, want the problem %d %s", err, status, code)
	}
	return p
}

// quiet is for what the test itself does.
var quiet = slog.New(slog.DiscardHandler)
