package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
)

// expire ages the events up to a position, and waits until retention has removed them.
func (s *site) expire(t *testing.T, upTo int64) {
	t.Helper()
	s.exec(t, `update tidings.events set created_at = created_at - interval '16 minutes' where position <= $1`, upTo)
	s.start(t, func(i *instance) { i.Retention, i.RetentionRows = time.Minute, 1_000_000 })
	// Should another instance be at it, too early for these events, this one looks again in a minute.
	within(t, 2*time.Minute, "the floor rises", func() bool { return value[int64](t, s, `select position from tidings.floor`) == upTo })
	want(t, "events below it", value[int](t, s, `select count(*) from tidings.events where position <= $1`, upTo), 0)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	s, topics, quietOnes := newSite(t), []string{"post:a", "post:b"}, []string{"post:quiet"}
	one, two := s.start(t), s.start(t, forgetful)
	live := []*tap{sse(t, one.Client, "now", topics...), sse(t, two.Client, "now", topics...)}
	s.converse(t, "old", 3)
	floor := s.head(t)

	// Two who read a post that stays quiet: each is moved on while nothing expires.
	moved := fmt.Sprintf("1-%d", floor)
	for _, srv := range []*server{one, two} {
		eventually(t, "a poll moves on", func() bool {
			page, err := srv.Poll(t.Context(), quietOnes, "1-0", 0, 0)
			must(t, err)
			return page.Cursor == moved
		})
		x := sse(t, srv.Client, "1-0", quietOnes...)
		checkpoint := x.await(t, "a checkpoint", named("stream.checkpoint"))
		want(t, "its id", checkpoint.ID, moved)
		want(t, "the checkpoint", string(checkpoint.Data), fmt.Sprintf(`{"cursor":%q}`, moved))
	}

	s.converse(t, "young", 2)
	whole := s.history(t, topics...)
	s.expire(t, floor)
	log := s.history(t, topics...)
	want(t, "what is young stays", len(log), len(since(t, whole, floor)))
	head := fmt.Sprintf("1-%d", s.head(t))

	t.Run("TellsWhoWasOvertaken", func(t *testing.T) {
		for position := range floor {
			cursor := fmt.Sprintf("1-%d", position)
			for _, x := range tapsOn(t, cursor, topics, two) {
				g, err := x.untilGap()
				must(t, err)
				want(t, x.name, g, gap{"expired", cursor, head})
			}
		}
		_, err := two.Poll(t.Context(), quietOnes, "1-0", 0, 0) // the quiet, too, had it not moved
		wantProblem(t, err, http.StatusGone, "cursor_gone")
	})
	t.Run("ResumesQuietReadersExactly", func(t *testing.T) {
		taps := tapsOn(t, moved, quietOnes, one, two)
		s.exec(t, `select tidings.publish('post:quiet', 'said', '"at last"')`)
		s.end(t, quietOnes...)
		for _, x := range taps {
			x.wants(t, s.history(t, quietOnes...))
		}
	})
	s.end(t, "post:b")
	t.Run("ResumesExactlyFromTheFloorOn", func(t *testing.T) {
		for _, x := range tapsOn(t, fmt.Sprintf("1-%d", floor), topics, one, two) {
			x.wants(t, log)
		}
		for _, e := range log {
			for _, x := range tapsOn(t, e.ID, topics, two) {
				x.wants(t, since(t, log, cursorOf(t, e.ID).Position))
			}
		}
	})
	t.Run("EarliestIsWhatIsLeft", func(t *testing.T) {
		for _, x := range tapsOn(t, "earliest", topics, two) {
			x.wants(t, log)
		}
	})
	t.Run("LeavesLiveReadersAlone", func(t *testing.T) {
		for _, x := range live {
			x.wants(t, whole)
		}
	})
}

// When every event is gone, the log still knows where it was.
func TestRetentionOfEverything(t *testing.T) {
	t.Parallel()
	s, topics := newSite(t), []string{"post:a", "post:b"}
	one := s.start(t, forgetful)
	s.converse(t, "old", 2)
	last := s.head(t)
	taps := tapsOn(t, fmt.Sprintf("1-%d", last), topics, one)
	s.expire(t, last)
	late := s.start(t) // finds a log without events

	for _, cursor := range []string{fmt.Sprintf("1-%d", last), "earliest"} {
		taps = append(taps, tapsOn(t, cursor, topics, one, late)...)
	}
	list, err := late.Comments(t.Context(), "a", client.ListOptions{})
	must(t, err)
	want(t, "the list's cursor", list.Cursor, fmt.Sprintf("1-%d", last))
	want(t, "the list", len(list.Data), 2)
	s.converse(t, "new", 1)
	s.end(t, "post:b")
	log := s.history(t, topics...)
	if first := cursorOf(t, log[0].ID); first.Epoch != 1 || first.Position <= last {
		t.Errorf("the next event is %v, after 1-%d", first, last)
	}
	for _, x := range taps {
		x.wants(t, log)
	}
}

// What readers have seen survives a crash, even of writers who did not ask for it.
func TestCrashUnderCarelessWriters(t *testing.T) {
	t.Parallel()
	postgres := durable(t)
	must(t, migrations.Up(t.Context(), postgres.DSN("tidings"), quiet))
	s, topics := siteAt(t, postgres.DSN("tidings")), []string{"post:a", "post:b"}
	careless := siteAt(t, s.dsn+"&synchronous_commit=off")
	s.exec(t, `alter system set wal_writer_delay = '10s'`) // nobody else writes it to the disk
	s.exec(t, `select pg_reload_conf()`)
	one, two := s.start(t), s.start(t, forgetful)
	taps := tapsOn(t, "now", topics, one, two)
	seen := make([][]client.Event, len(taps))

	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		var writers errgroup.Group
		for range 3 {
			writers.Go(func() error {
				return every(ctx, time.Millisecond, func() error { _ = careless.say(ctx, "post:a"); return nil })
			})
		}
		for i, x := range taps {
			for range 30 {
				seen[i] = append(seen[i], x.await(t, "an event", named("said")))
			}
		}
		must(t, postgres.Crash(t.Context()))
		stop()
		must(t, writers.Wait())
		must(t, postgres.Restart(t.Context()))
		s.sql.Reset()
		careless.sql.Reset()
		one.awaitReady(t)
		two.awaitReady(t)
	}
	must(t, careless.say(t.Context(), "post:b"))
	s.end(t, topics...)
	log := s.history(t, topics...)
	want(t, "epochs", len(s.epochs(t)), 1)
	for i, x := range taps {
		if err := compare(append(seen[i], x.rest(t)...), log, x.exact); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		last := cursorOf(t, seen[i][len(seen[i])-1].ID)
		for _, late := range tapsOn(t, last.String(), topics, one, two) {
			late.wants(t, since(t, log, last.Position))
		}
	}
}

// durable is a server of the test's own, in memory as long as that is there: no crash
// of the server takes that along.
func durable(t *testing.T) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: storetest.Dir(t)})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop(context.WithoutCancel(t.Context()))) })
	return server
}

// converse publishes events of all kinds: so many rounds of them.
func (s *site) converse(t *testing.T, what string, rounds int) {
	t.Helper()
	for n := range rounds {
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', $1)`, fmt.Sprint(what, n))
		must(t, s.say(t.Context(), "post:b"))
	}
}

func (s *site) say(ctx context.Context, topic string) error {
	_, err := s.sql.Exec(ctx, `select tidings.publish($1, 'said', to_jsonb(gen_random_uuid()))`, topic)
	return err
}

func (s *site) head(t *testing.T) int64 {
	t.Helper()
	return value[int64](t, s, `select tidings.head()`)
}

// history is the log as readers must see it, whatever its epochs.
func (s *site) history(t *testing.T, topics ...string) []client.Event {
	t.Helper()
	rows, _ := s.sql.Query(t.Context(), `
		select
			(select max(epoch) from tidings.epochs where started_after < position) || '-' || position,
			topic, name, data
		from tidings.events
		where topic = any($1) and name <> 'the-end'
		order by position`, topics)
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e client.Event, err error) {
		return e, row.Scan(&e.ID, &e.Topic, &e.Name, &e.Data)
	})
	must(t, err)
	return events
}

// since are the events of the log behind a position, of any epoch.
func since(t *testing.T, log []client.Event, from int64) []client.Event {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(log), func(e client.Event) bool { return cursorOf(t, e.ID).Position <= from })
}

func cursorOf(t *testing.T, text string) stream.Cursor {
	t.Helper()
	c, err := stream.ParseCursor(text)
	must(t, err)
	return c
}
