package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// expire makes the events up to a position 16 minutes older, starts an instance with
// the least retention, and waits until the events are removed. That can take a minute:
// an instance removes events when it starts and then once a minute, and it does nothing
// while another instance does so.
func (s *site) expire(t *testing.T, upTo int64) {
	t.Helper()
	s.exec(t, `update tidings.events set created_at = created_at - interval '16 minutes' where position <= $1`, upTo)
	s.start(t, func(i *instance) { i.Retention, i.RetentionRows = time.Minute, 1_000_000 })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx := patient(t); value[int64](t, s, `select position from tidings.floor`) != upTo; <-tick.C {
		if ctx.Err() != nil {
			t.Fatalf("the floor is not %d within %v", upTo, patience)
		}
	}
	streamtest.Want(t, "the number of events up to the floor", value[int](t, s, `select count(*) from tidings.events where position <= $1`, upTo), 0)
}

func TestRetention_RemovesOldEventsAlone(t *testing.T) {
	t.Parallel()
	s, topics, quiet := newSite(t), []string{"post:a", "post:b"}, []string{"post:quiet"}
	one, two := s.start(t), s.start(t, smallRing)
	live := []*tap{sse(t, one.Client, "now", topics...), sse(t, two.Client, "now", topics...)}
	s.converse(t, "old", 3)
	floor := s.head(t)

	// The cursors of readers of a post without events advance before anything expires.
	moved := fmt.Sprintf("1-%d", floor)
	for _, srv := range []*server{one, two} {
		streamtest.Eventually(t, "the cursor of a poll advances", func() bool {
			page, err := srv.Poll(t.Context(), quiet, "1-0", 0, 0)
			streamtest.Must(t, err)
			return page.Cursor == moved
		})
		x := sse(t, srv.Client, "1-0", quiet...)
		checkpoint := x.await(t, "a checkpoint", named("stream.checkpoint"))
		streamtest.Want(t, "the id of the checkpoint", checkpoint.ID, moved)
		streamtest.Want(t, "the checkpoint", string(checkpoint.Data), fmt.Sprintf(`{"cursor":%q}`, moved))
	}

	s.converse(t, "young", 2)
	whole := s.logged(t, topics...)
	s.expire(t, floor)
	log := s.logged(t, topics...)
	streamtest.Want(t, "the number of events that stay", len(log), len(since(t, whole, floor)))
	head := fmt.Sprintf("1-%d", s.head(t))

	t.Run("AnnouncesAGapToReadersBelowTheFloor", func(t *testing.T) {
		for position := range floor {
			cursor := fmt.Sprintf("1-%d", position)
			for _, x := range tapsOn(t, cursor, topics, two) {
				g, err := x.untilGap()
				streamtest.Must(t, err)
				streamtest.Want(t, x.name, g, gap{"expired", cursor, head})
			}
		}
		_, err := two.Poll(t.Context(), quiet, "1-0", 0, 0) // a cursor that did not advance
		wantProblem(t, err, http.StatusGone, "cursor_gone")
	})
	t.Run("ResumesQuietReadersExactly", func(t *testing.T) {
		taps := tapsOn(t, moved, quiet, one, two)
		s.exec(t, `select tidings.publish('post:quiet', 'said', '"something"')`)
		s.end(t, quiet...)
		for _, x := range taps {
			x.wants(t, s.logged(t, quiet...))
		}
	})
	s.end(t, "post:b")
	t.Run("ResumesExactlyFromTheFloor", func(t *testing.T) {
		for _, x := range tapsOn(t, fmt.Sprintf("1-%d", floor), topics, one, two) {
			x.wants(t, log)
		}
		for _, e := range log {
			for _, x := range tapsOn(t, e.ID, topics, two) {
				x.wants(t, since(t, log, cursorOf(t, e.ID).Position))
			}
		}
	})
	t.Run("EarliestIsTheFirstEventLeft", func(t *testing.T) {
		for _, x := range tapsOn(t, "earliest", topics, two) {
			x.wants(t, log)
		}
	})
	t.Run("DisturbsNoLiveReader", func(t *testing.T) {
		for _, x := range live {
			x.wants(t, whole)
		}
	})
}

// The log keeps its head when all events are removed.
func TestRetention_OfAllEventsKeepsTheHead(t *testing.T) {
	t.Parallel()
	s, topics := newSite(t), []string{"post:a", "post:b"}
	one := s.start(t, smallRing)
	s.converse(t, "old", 2)
	last := s.head(t)
	taps := tapsOn(t, fmt.Sprintf("1-%d", last), topics, one)
	s.expire(t, last)
	late := s.start(t) // starts with a log without events

	for _, cursor := range []string{fmt.Sprintf("1-%d", last), "earliest"} {
		taps = append(taps, tapsOn(t, cursor, topics, one, late)...)
	}
	list, err := late.Comments(t.Context(), "a", client.ListOptions{})
	streamtest.Must(t, err)
	streamtest.Want(t, "the list's cursor", list.Cursor, fmt.Sprintf("1-%d", last))
	streamtest.Want(t, "the number of comments in the list", len(list.Data), 2)
	s.converse(t, "new", 1)
	s.end(t, "post:b")
	log := s.logged(t, topics...)
	if first := cursorOf(t, log[0].ID); first.Epoch != 1 || first.Position <= last {
		t.Errorf("the next event is %v, after 1-%d", first, last)
	}
	for _, x := range taps {
		x.wants(t, log)
	}
}

// Events that a reader got survive a crash of Postgres, even if their writers committed
// with synchronous_commit off.
func TestCrash_KeepsDeliveredEventsOfAsynchronousCommits(t *testing.T) {
	t.Parallel()
	postgres := durable(t)
	streamtest.Must(t, migrations.Up(t.Context(), postgres.DSN("tidings"), discard))
	s, topics := siteAt(t, postgres.DSN("tidings")), []string{"post:a", "post:b"}
	asynchronous := siteAt(t, s.dsn+"&synchronous_commit=off")
	s.exec(t, `alter system set wal_writer_delay = '10s'`) // nothing else writes the commits to the disk
	s.exec(t, `select pg_reload_conf()`)
	one, two := s.start(t), s.start(t, smallRing)
	taps := tapsOn(t, "now", topics, one, two)
	seen := make([][]client.Event, len(taps))

	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		var writers errgroup.Group
		for range 3 {
			writers.Go(func() error {
				return every(ctx, 20*time.Millisecond, func() error { _ = asynchronous.say(ctx, "post:a"); return nil })
			})
		}
		for i, x := range taps {
			for range 15 {
				seen[i] = append(seen[i], x.await(t, "an event", named("said")))
			}
		}
		streamtest.Must(t, postgres.Crash(t.Context()))
		stop()
		streamtest.Must(t, writers.Wait())
		streamtest.Must(t, postgres.Restart(t.Context()))
		s.sql.Reset()
		asynchronous.sql.Reset()
		one.awaitReady(t)
		two.awaitReady(t)
	}
	streamtest.Must(t, asynchronous.say(t.Context(), "post:b"))
	s.end(t, topics...)
	log := s.logged(t, topics...)
	streamtest.Want(t, "epochs", len(s.epochs(t)), 1)
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

// durable starts a Postgres that only this test uses. Its data is on a file system in
// memory if there is one: a crash of the server loses nothing that was written there.
func durable(t *testing.T) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: storetest.Cluster(t)})
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, server.Stop(context.WithoutCancel(t.Context()))) })
	return server
}

// converse writes a comment on post a and an event of post b, rounds times. The bodies
// of the comments begin with prefix.
func (s *site) converse(t *testing.T, prefix string, rounds int) {
	t.Helper()
	for n := range rounds {
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', $1)`, fmt.Sprint(prefix, n))
		streamtest.Must(t, s.say(t.Context(), "post:b"))
	}
}

// say publishes an event with random data.
func (s *site) say(ctx context.Context, topic string) error {
	_, err := s.sql.Exec(ctx, `select tidings.publish($1, 'said', to_jsonb(gen_random_uuid()))`, topic)
	return err
}

// head is the position of the last event of the log.
func (s *site) head(t *testing.T) int64 {
	t.Helper()
	return value[int64](t, s, `select tidings.head()`)
}

// since returns the events of the log above a position, of any epoch.
func since(t *testing.T, log []client.Event, from int64) []client.Event {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(log), func(e client.Event) bool { return cursorOf(t, e.ID).Position <= from })
}

// cursorOf parses a cursor.
func cursorOf(t *testing.T, text string) stream.Cursor {
	t.Helper()
	c, err := stream.ParseCursor(text)
	streamtest.Must(t, err)
	return c
}
