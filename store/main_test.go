package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// A database is a store over its own database, with a second client for plain SQL.
type database struct {
	*store.Store
	dsn string
	sql *pgxpool.Pool
}

// newDatabase opens a store with AutoPosts and GroupCommit; edit may change its Config.
func newDatabase(t *testing.T, edit ...func(*store.Config)) database {
	t.Helper()
	pool, dsn := storetest.Pool(t)
	return database{Store: open(t, dsn, edit...), dsn: dsn, sql: pool}
}

// cleared returns the database without rows, for tests that run one after another. The store
// stays the same.
func (d database) cleared(t *testing.T) database {
	t.Helper()
	storetest.Clear(t, d.sql)
	return d
}

// again is cleared, with another store, which knows no user that was refused.
func (d database) again(t *testing.T) database {
	t.Helper()
	d = d.cleared(t)
	d.Store = open(t, d.dsn)
	return d
}

func open(t *testing.T, dsn string, edit ...func(*store.Config)) *store.Store {
	t.Helper()
	cfg := store.Config{URL: dsn, AutoPosts: true, GroupCommit: true}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := store.Open(t.Context(), cfg)
	streamtest.Must(t, err)
	t.Cleanup(s.Close)
	run(t, s.Run)
	return s
}

// client returns the pool of another program that uses the database.
func client(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func noGroups(cfg *store.Config) { cfg.GroupCommit = false }

func noAutoPosts(cfg *store.Config) { cfg.AutoPosts = false }

// exec runs one statement, or without parameters several in one transaction.
func (d database) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := d.sql.Exec(t.Context(), sql, args...)
	streamtest.Must(t, err)
}

// comment publishes a comment.
func (d database) comment(t *testing.T, c store.NewComment) store.Comment {
	t.Helper()
	created, err := d.CreateComment(t.Context(), c)
	streamtest.Must(t, err)
	return created
}

// list returns all comments of a post, newest first.
func (d database) list(t *testing.T, post string) store.CommentList {
	t.Helper()
	list, err := d.Comments(t.Context(), store.ListQuery{PostID: post, Flat: true, Limit: 100_000})
	streamtest.Must(t, err)
	return list
}

// events reads the log after a position to its end; no topics are all topics.
func (d database) events(t *testing.T, after int64, topics ...string) (events []stream.Event) {
	t.Helper()
	query := stream.Query{After: after, Topics: parseTopics(t, topics...), Limit: 1000}
	for {
		batch, err := d.Read(t.Context(), query)
		streamtest.Must(t, err)
		events = append(events, batch.Events...)
		if batch.Through >= batch.State.Head {
			return events
		}
		query.After = batch.Through
	}
}

func (d database) head(t *testing.T) stream.Cursor {
	t.Helper()
	batch, err := d.Read(t.Context(), stream.Query{Limit: 1})
	streamtest.Must(t, err)
	return batch.State.HeadCursor()
}

// value runs a query that returns one value.
func value[T any](t *testing.T, d database, sql string, args ...any) (v T) {
	t.Helper()
	streamtest.Must(t, d.sql.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

func parseTopics(t *testing.T, texts ...string) (topics []stream.Topic) {
	t.Helper()
	for _, text := range texts {
		topic, err := stream.ParseTopic(text)
		streamtest.Must(t, err)
		topics = append(topics, topic)
	}
	return topics
}

// named returns the events of one name.
func named(events []stream.Event, name string) (found []stream.Event) {
	for _, e := range events {
		if e.Name.String() == name {
			found = append(found, e)
		}
	}
	return found
}

// decode reads an event's data.
func decode[T any](t *testing.T, e stream.Event) (v T) {
	t.Helper()
	streamtest.Must(t, json.Unmarshal([]byte(e.Data.String()), &v))
	return v
}

// wantInvalid reports an error unless err is an *InvalidError of the constraint; "" is that
// of a function.
func wantInvalid(t *testing.T, err error, constraint string) {
	t.Helper()
	var invalid *store.InvalidError
	if !errors.As(err, &invalid) || invalid.Constraint != constraint || invalid.Detail == "" {
		t.Errorf("got %#v, want an *InvalidError of %q", err, constraint)
	}
}

// waits waits until exactly this number of sessions waits for a lock. The lock of NOTIFY does
// not count: it is one for the whole server, so a commit also waits for those of other tests.
func (d database) waits(t *testing.T, sessions int) {
	t.Helper()
	streamtest.Eventually(t, "sessions wait for a lock", func() bool {
		return value[bool](t, d, `
			select count(*) = $1
			from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'object'`, sessions)
	})
}

// run runs a function until the test ends, or stop is called. It must return nil.
func run(t *testing.T, fn func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := fn(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

var (
	ann = store.User{ID: "ann", Name: "Ann"}
	bob = store.User{ID: "bob", Name: "Bob", AvatarURL: new("https://example.org/bob.png")}
)

func user(id string) store.User { return store.User{ID: id, Name: id} }
