package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// received records the calls of a listener.
type received struct {
	wakes atomic.Int64

	mu      sync.Mutex // guards signals
	signals []store.Signal
}

func (r *received) wake() { r.wakes.Add(1) }

func (r *received) signal(s store.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signals = append(r.signals, s)
}

func (r *received) allSignals() []store.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signals
}

// listen runs a listener until the test ends, and waits until it listens.
func listen(t *testing.T, s *store.Store) (*store.Listener, *received) {
	t.Helper()
	got := new(received)
	l := s.NewListener(store.ListenerConfig{Wake: got.wake, Signal: got.signal})
	run(t, l.Run)
	got.waitForWake(t, 0)
	return l, got
}

// waitForWake waits until there are more wakes than the given number.
func (r *received) waitForWake(t *testing.T, than int64) {
	t.Helper()
	streamtest.Eventually(t, "the listener is woken", func() bool { return r.wakes.Load() > than })
}

// probe waits 300 ms at most for a probe.
func probe(t *testing.T, l *store.Listener) error {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return l.Probe(ctx)
}

// waitForProof waits until a probe succeeds.
func waitForProof(t *testing.T, l *store.Listener) {
	t.Helper()
	streamtest.Eventually(t, "the probe comes through", func() bool { return probe(t, l) == nil })
}

const killListeners = `
	select pg_terminate_backend(pid)
	from pg_stat_activity
	where datname = current_database() and application_name = 'tidings listen'`

func TestListener(t *testing.T) {
	t.Parallel()

	t.Run("IsWokenByEveryKindOfWrite", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		_, got := listen(t, d.Store)
		for _, write := range []string{
			`insert into tidings.comments (post_id, author_id, body) values ('42', 'ann', 'Hello')`,
			`insert into tidings.likes (post_id, user_id) values ('42', 'ann')`,
			`select tidings.publish('post:42', 'news', '{}')`,
			`select tidings.new_epoch()`,
		} {
			before := got.wakes.Load()
			d.exec(t, write)
			got.waitForWake(t, before)
		}
	})

	t.Run("ReconnectsAfterItsConnectionIsKilled", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		l, got := listen(t, d.Store)
		waitForProof(t, l)
		for range 3 {
			before := got.wakes.Load()
			d.exec(t, killListeners)
			got.waitForWake(t, before) // by the new connection: no event was written
			waitForProof(t, l)
		}
	})

	t.Run("StopsWithItsContext", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		l := d.NewListener(store.ListenerConfig{})
		if err := l.Probe(t.Context()); err == nil {
			t.Error("a probe succeeds before Run")
		}
		stop := run(t, l.Run)
		waitForProof(t, l)
		stop()
		if err := l.Probe(t.Context()); err == nil {
			t.Error("a probe succeeds after Run")
		}
		streamtest.Eventually(t, "no connection is left", func() bool { // Postgres needs a moment to notice
			return value[int](t, d, `
				select count(*)
				from pg_stat_activity
				where datname = current_database() and application_name = 'tidings listen'`) == 0
		})
	})

	t.Run("ProbesAtMostOnceASecond", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		l, _ := listen(t, d.Store)
		conn, err := d.sql.Acquire(t.Context())
		streamtest.Must(t, err)
		defer conn.Release()
		_, err = conn.Exec(t.Context(), `listen tidings_probe`)
		streamtest.Must(t, err)
		waitForProof(t, l)
		start := time.Now()
		for range 100 {
			streamtest.Must(t, l.Probe(t.Context()))
		}
		took := time.Since(start)
		d.exec(t, `notify tidings_probe, 'end'`)
		probes := 0
		for {
			n, err := conn.Conn().WaitForNotification(t.Context())
			streamtest.Must(t, err)
			if n.Payload == "end" {
				break
			}
			probes++
		}
		if most := 2 + int(took/time.Second); probes > most {
			t.Errorf("%d probes in %v, want at most %d", probes, took, most)
		}
	})
}

func TestListener_Deaf(t *testing.T) {
	t.Parallel()

	t.Run("IsReplaced", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		p, through := storetest.Proxy(t, d.dsn)
		s := open(t, d.dsn, func(cfg *store.Config) { cfg.ListenURL = through })
		l, got := listen(t, s)
		p.Blackhole()
		defer p.Cut() // so that the store can close its connections
		before := got.wakes.Load()
		publish(t, d, 1, "post:1") // its notification is lost
		if err := probe(t, l); err == nil {
			t.Error("a probe succeeds on a connection that receives nothing")
		}
		got.waitForWake(t, before)
		waitForProof(t, l)
		stats := l.Stats()
		if !stats.Connected || stats.Connects != 2 || stats.Deaf != 1 || stats.LastProof.IsZero() || stats.RoundTrip <= 0 {
			t.Errorf("unexpected figures: %+v", stats)
		}
	})

	t.Run("IsProbedWhenItIsSilent", func(t *testing.T) {
		t.Parallel()
		l, _ := listen(t, newDatabase(t).Store)
		streamtest.Eventually(t, "a probe without a call of Probe", func() bool { return l.Stats().RoundTrip > 0 })
	})

	t.Run("IsReplacedWhenAllConnectionsAreDead", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		p, through := storetest.Proxy(t, d.dsn)
		s := open(t, through)
		l, got := listen(t, s)
		waitForProof(t, l)
		p.Blackhole()
		defer p.Cut() // so that the store can close its connections
		got.waitForWake(t, got.wakes.Load())
		waitForProof(t, l)
	})
}

func TestSignal(t *testing.T) {
	t.Parallel()

	typing := store.Signal{Topic: parseTopics(t, "post:42")[0], User: awareness.User{ID: "ann", Name: "Ann <b>\u2028é"}}
	stopped := typing
	stopped.Stop = true

	t.Run("ReachesEveryInstance", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		_, near := listen(t, d.Store)
		_, far := listen(t, open(t, d.dsn))
		streamtest.Must(t, d.Signal(t.Context(), typing))
		streamtest.Must(t, d.Signal(t.Context(), stopped))
		for _, got := range []*received{near, far} {
			streamtest.Eventually(t, "both signals are received", func() bool { return len(got.allSignals()) == 2 })
			streamtest.Want(t, "the signals", got.allSignals(), []store.Signal{typing, stopped})
		}
		streamtest.Want(t, "the events", len(d.events(t, 0)), 0)
	})

	// A role with CONNECT alone can LISTEN and NOTIFY.
	t.Run("IsIgnoredUnlessItIsOurs", func(t *testing.T) {
		t.Parallel()
		var report lockedBuffer
		d := newDatabase(t, func(cfg *store.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&report, nil)) })
		spy, err := pgx.Connect(t.Context(), d.dsn)
		streamtest.Must(t, err)
		t.Cleanup(func() { spy.Close(context.Background()) })
		_, err = spy.Exec(t.Context(), `listen tidings_signal`)
		streamtest.Must(t, err)
		_, got := listen(t, d.Store)

		streamtest.Must(t, d.Signal(t.Context(), typing))
		seen, err := spy.WaitForNotification(t.Context())
		streamtest.Must(t, err)
		streamtest.Eventually(t, "the signal is received", func() bool { return len(got.allSignals()) == 1 })
		mac, message, _ := strings.Cut(seen.Payload, " ")
		const body = `{"topic":"user:ann","user":{"id":"admin","name":"x"}}`
		for _, payload := range []string{
			``, `nonsense`, `{}`, `{"topic":"post:42","user":{"id":"ann","name":"Ann"}}`, body,
			seen.Payload, // a replay
			mac + " " + body, mac + " " + message + " ", strings.ToUpper(mac) + " " + message, strings.Replace(seen.Payload, "42", "43", 1),
			strings.Repeat("0", 64) + " " + message, " " + message, mac, mac + " ",
		} {
			d.exec(t, `select pg_notify('tidings_signal', $1)`, payload)
		}
		streamtest.Must(t, d.Signal(t.Context(), stopped))
		streamtest.Eventually(t, "the next signal is received", func() bool { return len(got.allSignals()) > 1 })
		streamtest.Want(t, "the signals", got.allSignals(), []store.Signal{typing, stopped})
		streamtest.Want(t, "the reports", strings.Count(report.String(), "signal ignored that is not genuine"), 1)
	})

	// sign sends a signal with the key, as a session of the owner could.
	sign := func(t *testing.T, d database, age, body string) {
		t.Helper()
		d.exec(t, `
			select pg_notify('tidings_signal', encode(sha256(key || sha256(key || convert_to(message, 'UTF8'))), 'hex') || ' ' || message)
			from tidings.signal_key
			cross join concat_ws(' ',
				(extract(epoch from clock_timestamp() - $1::interval) * 1000000)::bigint, gen_random_uuid(), $2::text) as message`,
			age, body)
	}
	t.Run("IsIgnoredWhenItIsOldOrOfAnotherKind", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		_, got := listen(t, d.Store)
		const fine = `{"topic":"post:42","user":{"id":"ann","name":"Ann"}}`
		sign(t, d, "11 seconds", fine)
		sign(t, d, "-11 seconds", fine)
		for _, body := range []string{
			``, `nonsense`, `{}`, `[]`, `null`, `{"topic":"post"}`, `{"topic":"post:a b","user":{"id":"ann","name":"Ann"}}`,
			`{"topic":"post:42"}`, `{"topic":"post:42","user":{"id":"a b","name":"Ann"}}`, `{"topic":"post:42","user":[]}`,
			`{"topic":"user:ann","user":{"id":"admin","name":"x"}}`, `{"topic":"site:moderation","user":{"id":"admin","name":"x"}}`,
			`{"topic":"post:42","user":{"id":"admin","name":"\u202e"}}`, `{"topic":"post:42","user":{"id":"admin","name":"\u009b"}}`,
			`{"topic":"post:42","user":{"id":"admin","name":"` + strings.Repeat("x", 201) + `"}}`,
		} {
			sign(t, d, "0", body)
		}
		sign(t, d, "5 seconds", fine)
		streamtest.Eventually(t, "the signal is received", func() bool { return len(got.allSignals()) > 0 })
		streamtest.Want(t, "the signals", got.allSignals(),
			[]store.Signal{{Topic: typing.Topic, User: awareness.User{ID: "ann", Name: "Ann"}}})
	})
}

type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newServer starts a server for this test only, with a store.
func newServer(t *testing.T, edit ...func(*store.Config)) (database, *localpg.Server) {
	t.Helper()
	server := storetest.NewServer(t)
	dsn := server.DSN("tidings")
	streamtest.Must(t, migrations.Up(t.Context(), dsn, slog.New(slog.DiscardHandler)))
	return database{Store: open(t, dsn, edit...), dsn: dsn, sql: client(t, dsn)}, server
}

func (d database) restart(t *testing.T, server *localpg.Server) {
	t.Helper()
	streamtest.Must(t, server.Restart(t.Context()))
	d.sql.Reset() // the store has to notice on its own connections
}

func TestListener_SurvivesItsServer(t *testing.T) {
	t.Parallel()

	d, server := newServer(t)
	l, got := listen(t, d.Store)
	for way, end := range map[string]func(context.Context) error{"Crash": server.Crash, "Stop": server.Stop} {
		waitForProof(t, l)
		before := got.wakes.Load()
		streamtest.Must(t, end(t.Context()))
		streamtest.Eventually(t, "a probe fails while the server is down", func() bool { return probe(t, l) != nil })
		d.restart(t, server)
		got.waitForWake(t, before)
		waitForProof(t, l)
		before = got.wakes.Load()
		streamtest.Eventually(t, "writing works again after "+way, func() bool {
			return d.Publish(t.Context(), "post:1", "news", []byte(`{}`)) == nil
		})
		got.waitForWake(t, before)
	}
}

// TestListener_OutlivesTheTimeoutOfIdleSessions checks that idle_session_timeout of the
// database does not end the LISTEN connection.
func TestListener_OutlivesTheTimeoutOfIdleSessions(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `do $$ begin execute format('alter database %I set idle_session_timeout = 300', current_database()); end $$`)
	l := d.NewListener(store.ListenerConfig{})
	run(t, l.Run)
	streamtest.Eventually(t, "a probe has succeeded", func() bool { return !l.Stats().LastProof.IsZero() })
	streamtest.Want(t, "connections", l.Stats().Connects, 1)
}
