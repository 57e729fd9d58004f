package store_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A boardUser is an instance on the board of a database, with a session as its lease.
type boardUser struct {
	database
	id      string
	session *pgx.Conn
	lease   awareness.Lease
}

func newBoardUser(t *testing.T, d database) *boardUser {
	t.Helper()
	b := &boardUser{database: d, id: uuid()}
	var err error
	b.session, err = pgx.Connect(t.Context(), d.dsn)
	streamtest.Must(t, err)
	t.Cleanup(func() { b.session.Close(context.Background()) })
	b.lease.Key = -1 << 63 // has no lower bits, and is the key of all sessions of the test
	streamtest.Must(t, b.session.QueryRow(t.Context(), `
		select pg_backend_pid() from pg_advisory_lock_shared($1)`, b.lease.Key).Scan(&b.lease.PID))
	return b
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (b *boardUser) report(t *testing.T, rows ...awareness.Row) {
	t.Helper()
	streamtest.Must(t, b.Report(t.Context(), awareness.Report{
		Instance: b.id, Lease: b.lease, Asked: 3, Answered: map[string]int64{"x": 2}, Rows: rows,
	}))
}

func (b *boardUser) look(t *testing.T, since string) awareness.View {
	t.Helper()
	view, err := b.Look(t.Context(), b.id, since)
	streamtest.Must(t, err)
	slices.SortFunc(view.Rows, func(a, b awareness.Row) int { return strings.Compare(a.Topic.String(), b.Topic.String()) })
	return view
}

func TestBoard(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	topics := parseTopics(t, "post:a", "post:b", "post:c")
	full := awareness.Row{
		Topic: topics[0], Watched: true, Viewers: 7,
		Users:   []awareness.User{{ID: "ann", Name: `A "nn" é`}, {ID: "ben", Name: ""}},
		Members: []awareness.Member{0, 5, 1 << 63, 1<<64 - 1},
	}

	t.Run("ShowsTheRowsThatHaveChanged", func(t *testing.T) {
		d := db.cleared(t)
		one, two := newBoardUser(t, d), newBoardUser(t, d)
		one.report(t, full, awareness.Row{Topic: topics[1], Viewers: 1})
		two.report(t)
		view := two.look(t, "")
		streamtest.Want(t, "instances", view.Instances, []awareness.Instance{{ID: one.id, Alive: true, Asked: 3, Answered: map[string]int64{"x": 2}}})
		first := full
		first.Instance = one.id
		streamtest.Want(t, "rows", view.Rows, []awareness.Row{
			first, {Instance: one.id, Topic: topics[1], Viewers: 1, Users: []awareness.User{}, Members: []awareness.Member{}},
		})
		streamtest.Want(t, "own rows", len(one.look(t, "").Rows), 0)
		one.report(t, awareness.Row{Topic: topics[1], Viewers: 2}, awareness.Row{Topic: topics[2], Watched: true})
		next := two.look(t, view.Mark)
		streamtest.Want(t, "changed rows", len(next.Rows), 2)
		streamtest.Want(t, "the changed row", next.Rows[0].Viewers, 2)
		streamtest.Want(t, "later changes", len(two.look(t, next.Mark).Rows), 0)

		streamtest.Must(t, one.Report(t.Context(), awareness.Report{
			Instance: one.id, Lease: one.lease, Answered: map[string]int64{}, Purge: topics[1:2],
		}))
		streamtest.Want(t, "rows after a purge", len(two.look(t, "").Rows), 2)
		streamtest.Must(t, one.Withdraw(t.Context(), one.id))
		view = two.look(t, "")
		streamtest.Want(t, "what is left after a withdrawal", len(view.Rows)+len(view.Instances), 0)
	})
	t.Run("LeavesOutRowsThatAreNotOfInstances", func(t *testing.T) {
		t.Parallel()
		var report strings.Builder
		d := newDatabase(t, func(cfg *store.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&report, nil)) })
		one, two := newBoardUser(t, d), newBoardUser(t, d)
		one.report(t, full)
		d.exec(t, `
			insert into tidings.presence (instance, topic, watched, viewers, users, members, changed)
			select gen_random_uuid(), topic, true, 1, users, '', pg_current_xact_id()
			from (values ('no topic', '[]'::jsonb), ('post:b', '{}'), ('post:c', '[7]')) as r (topic, users);
			insert into tidings.instances (id, pid, lock_key, asked, answered)
			values (gen_random_uuid(), 1, 1, 1, '[]')`)
		for range 2 {
			view := two.look(t, "")
			streamtest.Want(t, "rows and instances", []int{len(view.Rows), len(view.Instances)}, []int{1, 1})
		}
		streamtest.Want(t, "rows left out", d.SkippedRows(), 4)
		streamtest.Want(t, "reports", strings.Count(report.String(), "is left out"), 4)
	})
	t.Run("ShowsTheRowOfAnOpenTransactionOnce", func(t *testing.T) {
		d := db.cleared(t)
		one, two := newBoardUser(t, d), newBoardUser(t, d)
		one.report(t)
		commit := d.begin(t, `
			insert into tidings.presence (instance, topic, watched, viewers, users, members, changed)
			values ('`+one.id+`', 'post:c', false, 9, '[]', '', pg_current_xact_id())`)
		one.report(t, full) // a later transaction, which commits first
		view := two.look(t, "")
		streamtest.Want(t, "rows", len(view.Rows), 1)
		commit()
		view = two.look(t, view.Mark)
		streamtest.Want(t, "rows since", len(view.Rows), 1)
		streamtest.Want(t, "the row", view.Rows[0].Viewers, 9)
	})
	t.Run("TellsWhichSessionsExist", func(t *testing.T) {
		d := db.cleared(t)
		one, two, three := newBoardUser(t, d), newBoardUser(t, d), newBoardUser(t, d)
		one.report(t, full)
		two.report(t, full)
		three.report(t)
		later := one.lease
		later.Key++
		streamtest.Must(t, two.session.Close(t.Context()))
		streamtest.Eventually(t, "the session of an instance that has ended", func() bool {
			alive := make(map[string]bool)
			for _, i := range three.look(t, "").Instances {
				alive[i.ID] = i.Alive
			}
			return alive[one.id] && !alive[two.id]
		})
		one.lease = later // another session has got the pid
		one.report(t)
		streamtest.Must(t, three.Report(t.Context(), awareness.Report{
			Instance: three.id, Lease: three.lease, Answered: map[string]int64{}, Dead: []string{one.id, two.id, three.id},
		}))
		view := three.look(t, "")
		streamtest.Want(t, "instances and rows", len(view.Instances)+len(view.Rows), 0)
		streamtest.Want(t, "instances with a session", value[int](t, d, `select count(*) from tidings.instances`), 1)
	})
}

// The lease of an instance is the session that listens.
func TestListener_TakesALease(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var mu sync.Mutex // guards leases and rings
	var leases []awareness.Lease
	rings := 0
	l := d.NewListener(store.ListenerConfig{
		Lease:    func(l awareness.Lease) { mu.Lock(); defer mu.Unlock(); leases = append(leases, l) },
		Presence: func() { mu.Lock(); defer mu.Unlock(); rings++ },
	})
	run(t, l.Run)
	lease := func(n int) (l awareness.Lease) {
		streamtest.Eventually(t, "the lease", func() bool { mu.Lock(); defer mu.Unlock(); return len(leases) == n })
		mu.Lock()
		defer mu.Unlock()
		return leases[n-1]
	}
	first := lease(1)
	const session = `
		select count(*)
		from pg_locks
		join pg_stat_activity using (pid)
		where pid = $1 and granted and application_name = 'tidings listen'
			and locktype = 'advisory' and classid::bigint << 32 | objid::bigint = $2`
	streamtest.Want(t, "sessions", value[int](t, d, session, first.PID, first.Key), 1)
	streamtest.Must(t, newBoardUser(t, d).Withdraw(t.Context(), uuid()))
	streamtest.Eventually(t, "the doorbell", func() bool { mu.Lock(); defer mu.Unlock(); return rings == 1 })
	d.exec(t, `select pg_terminate_backend($1)`, first.PID)
	second := lease(2)
	streamtest.Want(t, "the second session is another, with the same key", second.PID != first.PID && second.Key == first.Key, true)
	streamtest.Want(t, "sessions", value[int](t, d, session, second.PID, second.Key), 1)

	other, err := pgx.Connect(t.Context(), d.dsn)
	streamtest.Must(t, err)
	t.Cleanup(func() { other.Close(context.Background()) })
	run(t, func(ctx context.Context) error {
		_, _ = other.Exec(ctx, `select pg_advisory_lock($1)`, second.Key)
		return nil
	})
	streamtest.Eventually(t, "another session waits for the lock", func() bool {
		return value[int](t, d, `select count(*) from pg_locks where locktype = 'advisory' and not granted and pid = $1`, other.PgConn().PID()) == 1
	})
	d.exec(t, `select pg_terminate_backend($1)`, second.PID)
	third := lease(3)
	streamtest.Want(t, "sessions", value[int](t, d, session, third.PID, third.Key), 1)
}
