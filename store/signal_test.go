package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// states records the ephemeral events that a listener receives.
type states struct {
	mu  sync.Mutex // guards got
	got []string
}

func (s *states) event(e stream.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, fmt.Sprint(e.Topic, " ", e.Name, " ", e.Data, " ", e.Ephemeral()))
}

func (s *states) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// receive runs a listener that records ephemeral events.
func receive(t *testing.T, s *store.Store) *states {
	t.Helper()
	got, woken := &states{}, &received{}
	l := s.NewListener(store.ListenerConfig{Wake: woken.wake, Event: got.event})
	run(t, l.Run)
	woken.waitForWake(t, 0)
	return got
}

func TestSignalEvent(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	for name, topic := range map[string]string{"ToAPost": "post:42", "ToAPrivateTopic": "team:7", "ToAUser": "user:ann"} {
		t.Run(name+"ReachesEveryInstance", func(t *testing.T) {
			d := db.cleared(t)
			near, far := receive(t, d.Store), receive(t, open(t, d.dsn))
			streamtest.Must(t, d.SignalEvent(t.Context(), topic, "cursor.moved", []byte(`{"x": 1, "y":"é\u2028"}`)))
			d.exec(t, `begin; select tidings.signal('`+topic+`', 'undone', '1'); rollback`)
			d.exec(t, `select tidings.signal($1, 'last', 'null')`, topic)
			for _, got := range []*states{near, far} {
				streamtest.Eventually(t, "both are received", func() bool { return len(got.all()) >= 2 })
				streamtest.Want(t, "the events", got.all(), []string{
					topic + ` cursor.moved {"x":1,"y":"é\u2028"} true`, topic + ` last null true`,
				})
			}
			streamtest.Want(t, "the events of the log", len(d.events(t, 0)), 0)
		})
	}
	// Any role of the database can receive a NOTIFY.
	t.Run("ToAPrivateTopicIsInNoNotification", func(t *testing.T) {
		d := db.cleared(t)
		spy, err := pgx.Connect(t.Context(), d.dsn)
		streamtest.Must(t, err)
		t.Cleanup(func() { spy.Close(context.Background()) })
		_, err = spy.Exec(t.Context(), `listen tidings_signal; listen tidings_signals`)
		streamtest.Must(t, err)
		streamtest.Must(t, d.SignalEvent(t.Context(), "team:7", "x", []byte(`"secret"`)))
		seen, err := spy.WaitForNotification(t.Context())
		streamtest.Must(t, err)
		streamtest.Want(t, "the payload", seen.Payload, "")
	})
	// Rows become visible in another order than they were written.
	t.Run("IsNotMissedWhenItsTransactionIsOpenFor2Others", func(t *testing.T) {
		d := db.cleared(t)
		got := receive(t, d.Store)
		commit := d.begin(t, `select tidings.signal('team:7', 'x', '"slow"')`)
		for n := range 2 {
			d.exec(t, `select tidings.signal('team:7', 'x', $1)`, n)
			streamtest.Eventually(t, "the signal is received", func() bool { return len(got.all()) == n+1 })
		}
		commit()
		streamtest.Eventually(t, "the slow signal is received", func() bool { return len(got.all()) == 3 })
		streamtest.Want(t, "the last", got.all()[2], `team:7 x "slow" true`)
	})
	t.Run("IsRefusedIfNoReaderCanGetIt", func(t *testing.T) {
		d := db.cleared(t)
		for _, call := range []struct{ topic, name, data string }{
			{"post", "x", `1`}, {"post:a b", "x", `1`}, {"", "x", `1`}, {"post:42", "", `1`}, {"post:42", "X", `1`},
			{"post:42", "typing", `1`}, {"team:7", "presence", `1`}, {"post:42", "stream.ready", `1`}, {"post:42", "x", `{`}, {"post:42", "x", ``},
		} {
			wantInvalid(t, d.SignalEvent(t.Context(), call.topic, call.name, []byte(call.data)), "")
		}
	})
	t.Run("HasAtMost6KB", func(t *testing.T) {
		d := db.cleared(t)
		got := receive(t, d.Store)
		longest := `"` + strings.Repeat("x", 6<<10-2) + `"`
		topics := []string{"post:" + strings.Repeat("p", 512), "team:7"}
		for _, topic := range topics {
			streamtest.Must(t, d.SignalEvent(t.Context(), topic, strings.Repeat("n", 64), []byte(longest)))
			streamtest.WantErr(t, d.SignalEvent(t.Context(), topic, "x", []byte(`"x`+longest[1:])), store.ErrTooLarge)
		}
		streamtest.Eventually(t, "both are received", func() bool { return len(got.all()) == 2 })
	})
	t.Run("OlderThan10SecondsIsDroppedAndDeleted", func(t *testing.T) {
		d := db.cleared(t)
		got := receive(t, d.Store)
		d.exec(t, `
			insert into tidings.signals (topic, name, data, created_at)
			values ('team:7', 'x', '1', clock_timestamp() - interval '11 s'), ('team:7', 'x', '2', clock_timestamp() - interval '21 s')`)
		d.exec(t, `select tidings.signal('team:7', 'x', '3')`)
		streamtest.Eventually(t, "the new signal is received", func() bool { return len(got.all()) > 0 })
		streamtest.Want(t, "the events", got.all(), []string{`team:7 x 3 true`})
		run(t, func(ctx context.Context) error { return d.Retain(ctx, store.Retention{Age: time.Hour, Rows: 1000}) })
		streamtest.Eventually(t, "the oldest is deleted", func() bool {
			return value[int](t, d, `select count(*) from tidings.signals`) == 2
		})
	})
}

// A lock on the tables of signals delays signals, and neither the doorbell of the log nor the
// start of an instance.
func TestListener_WaitsForNoLockOfSignals(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	_, got := listen(t, d.Store)
	unlock := d.begin(t, `lock table tidings.signals, tidings.signal_key in access exclusive mode`)
	var listeners []*store.Listener
	for _, s := range []*store.Store{d.Store, open(t, d.dsn)} {
		l, started := listen(t, s)
		listeners = append(listeners, l)
		d.exec(t, `notify tidings_signals`)
		d.exec(t, `notify tidings_signal, 'forged'`)
		for range 3 {
			for _, each := range []*received{got, started} {
				before := each.wakes.Load()
				d.exec(t, `notify tidings_log`)
				each.waitForWake(t, before)
			}
			waitForProof(t, l)
		}
	}
	for _, l := range listeners {
		streamtest.Want(t, "connects", l.Stats().Connects, 1)
	}
	unlock()
	streamtest.Eventually(t, "a signal is received", func() bool {
		streamtest.Must(t, d.Signal(t.Context(), store.Signal{Topic: parseTopics(t, "post:42")[0], User: awareness.User{ID: "ann", Name: "Ann"}}))
		return len(got.allSignals()) > 0
	})
}

// begin runs SQL in a transaction, which commit commits.
func (d database) begin(t *testing.T, sql string) (commit func()) {
	t.Helper()
	tx, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	t.Cleanup(func() { tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), sql)
	streamtest.Must(t, err)
	return func() { streamtest.Must(t, tx.Commit(t.Context())) }
}
