package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// methods returns a call of each method that uses the database.
func methods(t *testing.T, s *store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Ping": s.Ping,
		"CreateComment": func(ctx context.Context) error {
			_, err := s.CreateComment(ctx, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
			return err
		},
		"DeleteComment": func(ctx context.Context) error {
			if err := s.DeleteComment(ctx, 1<<40, "ann", false, nil); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		},
		"Comments": func(ctx context.Context) error {
			_, err := s.Comments(ctx, store.ListQuery{PostID: "42", Limit: 1})
			return err
		},
		"Like":   func(ctx context.Context) error { _, err := s.Like(ctx, "42", ann); return err },
		"Unlike": func(ctx context.Context) error { _, err := s.Unlike(ctx, "42", "ann"); return err },
		"Post": func(ctx context.Context) error {
			if _, err := s.Post(ctx, "nobody", ""); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		},
		"PutPost": func(ctx context.Context) error {
			_, _, err := s.PutPost(ctx, store.PostUpdate{ID: "42"})
			return err
		},
		"Counts": func(ctx context.Context) error { _, err := s.Counts(ctx, []string{"42"}); return err },
		"Notifications": func(ctx context.Context) error {
			_, err := s.Notifications(ctx, store.NotificationQuery{User: "ann", Limit: 1})
			return err
		},
		"Read":    func(ctx context.Context) error { _, err := s.Read(ctx, stream.Query{Limit: 1}); return err },
		"Publish": func(ctx context.Context) error { return s.Publish(ctx, "post:42", "news", []byte(`{}`)) },
		"Signal": func(ctx context.Context) error {
			return s.Signal(ctx, store.Signal{Topic: parseTopics(t, "post:42")[0], User: awareness.User{ID: "ann"}})
		},
		"SaveTicket": func(ctx context.Context) error {
			_, err := s.SaveTicket(ctx, fmt.Sprint(time.Now()), ticket, time.Minute)
			return err
		},
		"Ticket": func(ctx context.Context) error {
			if _, err := s.Ticket(ctx, "never"); !errors.Is(err, store.ErrTicket) {
				return err
			}
			return nil
		},
		"UseTicket": func(ctx context.Context) error {
			if _, err := s.UseTicket(ctx, "never"); !errors.Is(err, store.ErrTicket) {
				return err
			}
			return nil
		},
	}
}

// eachMethod calls every method. Connections in the pool may be dead.
func eachMethod(t *testing.T, s *store.Store, check func(name string, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), streamtest.Patience)
	defer cancel()
	for name, call := range methods(t, s) {
		check(name, call(ctx))
	}
	streamtest.Must(t, ctx.Err())
}

func TestStore_Unavailable(t *testing.T) {
	t.Parallel()

	d, server := newServer(t)
	wantUp := func() {
		streamtest.Eventually(t, "it works again", func() bool { return d.Ping(t.Context()) == nil })
		eachMethod(t, d.Store, func(name string, err error) {
			if err != nil {
				t.Errorf("%s: %v, want no error", name, err)
			}
		})
	}
	wantDown := func() {
		eachMethod(t, d.Store, func(name string, err error) {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
		})
	}
	for _, end := range []func(context.Context) error{server.Stop, server.Crash} {
		wantUp()
		// Some calls are in a statement when the server ends.
		turn, err := d.sql.Begin(t.Context())
		streamtest.Must(t, err)
		_, err = turn.Exec(t.Context(), `lock table tidings.turn, tidings.events`)
		streamtest.Must(t, err)
		var calls sync.WaitGroup
		for _, name := range []string{"CreateComment", "Comments"} { // Read waits no longer than 1 s for a lock
			calls.Go(func() {
				err := methods(t, d.Store)[name](t.Context())
				if err != nil && !errors.Is(err, store.ErrUnavailable) { // nil: the lock was released first
					t.Errorf("%s in flight: %v, want ErrUnavailable", name, err)
				}
			})
		}
		d.waits(t, 2)
		streamtest.Must(t, end(t.Context()))
		calls.Wait()
		_ = turn.Rollback(t.Context())

		wantDown()
		d.restart(t, server)
	}
	wantUp()
}

func TestOpen_FailsOnAMalformedURLAlone(t *testing.T) {
	t.Parallel()

	for _, cfg := range []store.Config{{URL: "postgres://%"}, {URL: "host=/", ListenURL: "port=x"}} {
		if s, err := store.Open(t.Context(), cfg); err == nil {
			s.Close()
			t.Errorf("%+v was opened", cfg)
		}
	}
	away := open(t, "postgres:///?host=/nowhere")
	streamtest.WantErr(t, away.Ping(t.Context()), store.ErrUnavailable)
}

// A hoster makes a database read-only when its disk is nearly full. Writes are refused with
// that reason; reading and listening go on.
func TestStore_ReadsADatabaseThatIsReadOnly(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "before"})
	readOnly := open(t, d.dsn+"&options=-c%20default_transaction_read_only%3Don")
	reads := []string{"Ping", "Comments", "Post", "Counts", "Notifications", "Read", "Ticket", "Signal"}
	eachMethod(t, readOnly, func(name string, err error) {
		if slices.Contains(reads, name) {
			streamtest.Must(t, err)
		} else if !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	})
	streamtest.WantErr(t, readOnly.WriteError(), store.ErrReadOnly)
	l, got := listen(t, readOnly)
	waitForProof(t, l)
	before := got.wakes.Load()
	d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "after"})
	got.waitForWake(t, before)
}

func TestStore_CallsThatEndEarly(t *testing.T) {
	t.Parallel()

	// one returns a store with a single connection, which a call must not keep.
	one := func(t *testing.T) (database, *store.Store) {
		d := newDatabase(t)
		return d, open(t, d.dsn+"&pool_max_conns=1")
	}

	t.Run("AreUnavailableWhenTheDeadlineIsOver", func(t *testing.T) {
		t.Parallel()
		d, s := one(t)
		tx, err := d.sql.Begin(t.Context())
		streamtest.Must(t, err)
		defer tx.Rollback(context.WithoutCancel(t.Context()))
		_, err = tx.Exec(t.Context(), `lock table tidings.turn, tidings.events`)
		streamtest.Must(t, err)
		var calls sync.WaitGroup
		for range 2 { // one is in a statement, the other waits for the connection
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := s.Read(ctx, stream.Query{Limit: 1})
				streamtest.WantErr(t, err, store.ErrUnavailable)
				streamtest.WantErr(t, err, context.DeadlineExceeded)
			})
		}
		calls.Wait()
		streamtest.Must(t, tx.Rollback(t.Context()))
		_, err = s.Read(t.Context(), stream.Query{Limit: 1})
		streamtest.Must(t, err)
	})

	t.Run("ReturnTheirConnection", func(t *testing.T) {
		t.Parallel()
		d, s := one(t)
		d.exec(t, `
			insert into tidings.comments (post_id, author_id, body)
			select '42', 'ann', repeat('x', 1000)
			from generate_series(1, 500)`)
		calls := methods(t, s)
		calls["all of Comments"] = func(ctx context.Context) error {
			_, err := s.Comments(ctx, store.ListQuery{PostID: "42", Limit: 1000})
			return err
		}
		calls["all of Read"] = func(ctx context.Context) error {
			_, err := s.Read(ctx, stream.Query{Limit: 1000})
			return err
		}
		for after := time.Duration(0); after < 8*time.Millisecond; after += 500 * time.Microsecond {
			for name, call := range calls {
				ctx, cancel := context.WithCancel(t.Context())
				timer := time.AfterFunc(after, cancel)
				if err := call(ctx); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%s cancelled after %v: %v", name, after, err)
				}
				timer.Stop()
				cancel()
			}
		}
		streamtest.Must(t, s.Ping(t.Context()))
		streamtest.Eventually(t, "all sessions but one are gone", func() bool {
			return value[bool](t, d, `
				select count(*) = 1
				from pg_stat_activity
				where datname = current_database() and application_name = 'tidings'`)
		})
	})

	t.Run("ReturnTheErrorOfTheirContext", func(t *testing.T) {
		t.Parallel()
		d, s := one(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range methods(t, s) {
			if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v, want context.Canceled alone", name, err)
			}
		}
		streamtest.Want(t, "the events", len(d.events(t, 0)), 0)
	})
}

// TestStore_BlackHole checks a network that drops all packets and closes no connection.
func TestStore_BlackHole(t *testing.T) {
	t.Parallel()

	t.Run("EndsAReadThatHasNoDeadline", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		p, through := storetest.Proxy(t, d.dsn)
		s := open(t, through)
		_, err := s.Read(t.Context(), stream.Query{Limit: 1})
		streamtest.Must(t, err)
		p.Blackhole()
		defer p.Cut() // so that the store can close its connections
		_, err = s.Read(t.Context(), stream.Query{Limit: 1})
		streamtest.WantErr(t, err, store.ErrUnavailable)
		_, err = s.Read(t.Context(), stream.Query{Limit: 1})
		streamtest.Must(t, err)
	})

	t.Run("IsNoticedBeforeAnIdleConnectionIsUsed", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		p, through := storetest.Proxy(t, d.dsn)
		s := open(t, through)
		streamtest.Must(t, s.Ping(t.Context()))
		p.Blackhole()
		defer p.Cut() // so that the store can close its connections
		streamtest.Eventually(t, "the connection is idle", func() bool {
			return value[bool](t, d, `
				select bool_and(clock_timestamp() - state_change > interval '1.5 s')
				from pg_stat_activity
				where datname = current_database() and application_name = 'tidings'`)
		})
		_, err := s.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		streamtest.Must(t, err)
	})
}

// TestStore_WritesInReadCommitted checks that a stricter default of the session does not
// make concurrent writes fail.
func TestStore_WritesInReadCommitted(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	strict := open(t, d.dsn+"&options=-c%20default_transaction_isolation%3Dserializable")
	_, err := strict.SaveTicket(t.Context(), "secret", ticket, time.Minute)
	streamtest.Must(t, err)
	calls := methods(t, strict)
	calls["UseTicket"] = func(ctx context.Context) error {
		if _, err := strict.UseTicket(ctx, "secret"); !errors.Is(err, store.ErrTicket) {
			return err
		}
		return nil
	}
	var callers sync.WaitGroup
	for range 4 {
		for name, call := range calls {
			callers.Go(func() {
				for range 4 {
					if err := call(t.Context()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	callers.Wait()
}
