package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/api/markdown"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

const (
	testSecret = "thirty-two bytes are the least, these are more"
	// patience bounds the reads of a test, so that it ends with an error instead of the
	// panic of go test's -timeout. No test expects to come near it.
	patience = 2 * time.Minute
	// longPoll is the wait of a poll that a test expects to end for another reason.
	longPoll = 30 * time.Second
	// lookEvery is the time between two looks at a condition.
	lookEvery = 25 * time.Millisecond
)

// A site is a database that only one test uses. The test connects instances to it and
// writes to it with SQL.
type site struct {
	dsn string
	sql *pgxpool.Pool
}

func newSite(t *testing.T) *site {
	t.Helper()
	pool, dsn := storetest.Pool(t)
	return &site{dsn: dsn, sql: pool}
}

func siteAt(t *testing.T, dsn string) *site {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return &site{dsn: dsn, sql: pool}
}

// exec runs SQL as one transaction.
func (s *site) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := s.sql.Exec(t.Context(), sql, args...)
	streamtest.Must(t, err)
}

// value runs a query that returns one value.
func value[T any](t *testing.T, s *site, sql string, args ...any) (v T) {
	t.Helper()
	streamtest.Must(t, s.sql.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

// theEnd is the name of the last event of a test. A reader that got it has got every
// event before it.
const theEnd = "the-end"

// end publishes theEnd to each of the topics.
func (s *site) end(t *testing.T, topics ...string) {
	t.Helper()
	s.exec(t, `select tidings.publish(topic, 'the-end', '{}') from unnest($1::text[]) as topic`, topics)
}

// cursor returns the cursor at a position of the first epoch.
func (s *site) cursor(t *testing.T, position int64) string {
	t.Helper()
	return fmt.Sprintf("%d-%d", value[int64](t, s, `select min(epoch) from tidings.epochs`), position)
}

// logged returns the events of the topics in the log, without theEnd, as readers must
// get them.
func (s *site) logged(t *testing.T, topics ...string) []client.Event {
	t.Helper()
	rows, _ := s.sql.Query(t.Context(), `
		select
			(select max(epoch) from tidings.epochs where started_after < position) || '-' || position,
			topic, name, data
		from tidings.log
		where topic = any($1) and name <> 'the-end'
		order by position`, topics)
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e client.Event, err error) {
		err = row.Scan(&e.ID, &e.Topic, &e.Name, &e.Data)
		e.Data = withHTML(t, e.Data)
		return e, err
	})
	streamtest.Must(t, err)
	return events
}

// withHTML returns the data of an event with the member html behind the text, as the server
// adds it to what SQL has.
func withHTML(t *testing.T, data json.RawMessage) json.RawMessage {
	t.Helper()
	var comment struct {
		Body *json.RawMessage
		HTML *string
	}
	var body string
	if json.Unmarshal(data, &comment) != nil || comment.Body == nil || comment.HTML != nil || json.Unmarshal(*comment.Body, &body) != nil {
		return data
	}
	html, err := json.Marshal(markdown.New(markdown.Options{}).HTML(body))
	streamtest.Must(t, err)
	for escape, char := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		html = bytes.ReplaceAll(html, []byte(escape), []byte(char))
	}
	before, after, found := bytes.Cut(data, slices.Concat([]byte(`"body": `), *comment.Body))
	if !found {
		t.Fatalf("no body in %s", data)
	}
	return slices.Concat(before, []byte(`"body": `), *comment.Body, []byte(`,"html":`), html, after)
}

// A server is an instance that runs in this process. Its methods call it without a
// token.
type server struct {
	*client.Client
	url  string
	http *http.Client
	stop func() // stops the instance before the test ends
}

// start runs an instance until the test ends, and checks that it then stops without an
// error. It returns when the instance is ready.
func (s *site) start(t *testing.T, edit ...func(*instance)) *server {
	t.Helper()
	listening := make(chan net.Addr, 1)
	i := instance{
		databaseFlags: databaseFlags{DatabaseURL: s.dsn + fewConnections},
		serverFlags: serverFlags{
			AutoPosts: true, Drain: 10 * time.Second,
			limitFlags: limitFlags{RateLimits: "comments=1e6/1000000,likes=1e6/1000000,tickets=1e6/1000000"},
		},
		addr:      "127.0.0.1:0",
		secret:    testSecret,
		logger:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		listening: func(addr net.Addr) { listening <- addr },
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

// fewConnections bounds an instance's connections for requests: a new backend costs 50 ms of CPU.
const fewConnections = "&pool_max_conns=2"

// concurrent gives an instance as many connections as it has by default: its writes are concurrent.
func (s *site) concurrent(i *instance) { i.DatabaseURL = s.dsn }

// newServer calls the instance at the URL.
func newServer(t *testing.T, url string) *server {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	c, err := client.New(url, client.WithHTTPClient(h))
	streamtest.Must(t, err)
	t.Cleanup(h.CloseIdleConnections)
	return &server{Client: c, url: url, http: h}
}

// A task is a function that runs in another goroutine during the test.
type task struct {
	stop  func() // ends the context of the function and waits until it has returned
	ended <-chan struct{}
}

// inBackground calls fn in another goroutine. Its context ends when the test ends. An
// error of fn fails the test.
func inBackground(t *testing.T, fn func(context.Context) error) task {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := fn(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return task{stop, ended}
}

// as returns the server as a user calls it.
func (s *server) as(t *testing.T, user string, roles ...string) *client.Client {
	t.Helper()
	return s.As(token(t, auth.Identity{Subject: user, Name: "The " + user, Roles: roles, Expires: time.Now().Add(time.Hour)}))
}

// token signs a token that the test servers accept.
func token(t *testing.T, who auth.Identity) string {
	t.Helper()
	signed, err := auth.SignToken(testSecret, who)
	streamtest.Must(t, err)
	return signed
}

// get makes a request that package client would not make. The body is closed when the
// test ends.
func (s *server) get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	streamtest.Must(t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := s.http.Do(r)
	streamtest.Must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	s.awaitStatus(t, "/readyz", http.StatusOK)
}

func (s *server) awaitStatus(t *testing.T, path string, status int) {
	t.Helper()
	streamtest.Eventually(t, path+" answers "+http.StatusText(status), func() bool {
		answer := s.get(t, path, nil)
		answer.Body.Close()
		return answer.StatusCode == status
	})
}

// comment creates a comment.
func comment(t *testing.T, c *client.Client, post, body string) client.Comment {
	t.Helper()
	created, err := c.CreateComment(t.Context(), post, client.NewComment{Body: body})
	streamtest.Must(t, err)
	return created
}

// decode decodes the data of an event.
func decode[T any](t *testing.T, e client.Event) (v T) {
	t.Helper()
	streamtest.Must(t, json.Unmarshal(e.Data, &v))
	return v
}

// every calls do at each interval until ctx ends or do fails.
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

// wantProblem ends the test unless err is a problem with the status and the code.
func wantProblem(t *testing.T, err error, status int, code string) *client.Problem {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != status || p.Code != code {
		t.Fatalf("got %v, want the problem %d %s", err, status, code)
	}
	return p
}

// discard is a logger for calls whose logs are not needed.
var discard = slog.New(slog.DiscardHandler)
