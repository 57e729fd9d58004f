package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// follow runs a hub and its listener, and subscribes to a topic. The hub reads only when
// the listener wakes it: its tick is an hour.
func follow(t *testing.T, s *store.Store, start stream.Start, topic string) *stream.Subscription {
	t.Helper()
	hub := stream.NewHub(s, stream.HubConfig{Tick: time.Hour})
	l := s.NewListener(store.ListenerConfig{Wake: hub.Wake})
	run(t, hub.Run)
	run(t, l.Run)
	streamtest.Eventually(t, "the hub is ready", func() bool { return hub.Err() == nil })
	waitForProof(t, l)
	sub, err := hub.Subscribe(parseTopics(t, topic), start)
	streamtest.Must(t, err)
	t.Cleanup(sub.Close)
	return sub
}

// numbered receives the next n comments, whose bodies are numbers, and returns these in
// order of arrival.
func numbered(t *testing.T, sub *stream.Subscription, n int) (numbers []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), streamtest.Patience)
	defer cancel()
	for len(numbers) < n {
		frames, err := sub.Next(ctx, 100)
		if err != nil {
			t.Fatalf("%v after %v", err, numbers)
		}
		for _, f := range frames {
			if f.Name.String() == "new-comment" {
				numbers = append(numbers, decode[struct {
					Body int `json:"body,string"`
				}](t, stream.Event{Data: f.Data()}).Body)
			}
		}
	}
	return numbers
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

const numberedComment = `insert into tidings.comments (post_id, author_id, body) values ('42', 'ann', $1)`

func TestHub(t *testing.T) {
	t.Parallel()

	t.Run("DeliversCommentsInsertedBySQL", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		sub := follow(t, d.Store, stream.Now, "post:42")
		for i := range 5 {
			d.exec(t, numberedComment, fmt.Sprint(i))
		}
		streamtest.Want(t, "the comments", numbered(t, sub, 5), upTo(5))
	})

	t.Run("ResumesFromTheCursorOfAList", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		d.exec(t, numberedComment, "before")
		list := d.list(t, "42")
		d.exec(t, numberedComment, "0")
		sub := follow(t, d.Store, stream.At(list.State.Cursor), "post:42")
		d.exec(t, numberedComment, "1")
		streamtest.Want(t, "the comments", numbered(t, sub, 2), upTo(2))
	})

	t.Run("LosesNothingWhenItsListenerIsKilled", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		sub := follow(t, d.Store, stream.Now, "post:42")
		const n = 200
		run(t, func(ctx context.Context) error {
			for i := range n {
				if i%50 == 49 { // also for the last one, whose notification is lost
					if _, err := d.sql.Exec(ctx, killListeners); err != nil {
						return err
					}
				}
				if _, err := d.sql.Exec(ctx, numberedComment, fmt.Sprint(i)); err != nil {
					return err
				}
			}
			return nil
		})
		streamtest.Want(t, "the comments", numbered(t, sub, n), upTo(n))
	})
}

func TestHub_SurvivesItsServer(t *testing.T) {
	t.Parallel()

	d, server := newServer(t)
	sub := follow(t, d.Store, stream.Now, "post:42")
	written := 0
	for _, end := range []func(context.Context) error{server.Crash, server.Stop} {
		for range 10 {
			d.exec(t, numberedComment, fmt.Sprint(written))
			written++
		}
		streamtest.Must(t, end(t.Context()))
		d.restart(t, server)
	}
	d.exec(t, numberedComment, fmt.Sprint(written))
	streamtest.Want(t, "the comments", numbered(t, sub, written+1), upTo(written+1))
}

// TestHub_CrashUnderAsynchronousWriters checks that a crash loses no event that a reader
// has received, and that no other event gets its position, although the writers use
// synchronous_commit = off.
func TestHub_CrashUnderAsynchronousWriters(t *testing.T) {
	t.Parallel()

	d, server := newServer(t)
	d.exec(t, `alter database tidings set synchronous_commit = off`)
	d.sql.Reset()
	sub := follow(t, d.Store, stream.Now, "post:42")
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		run(t, func(context.Context) error {
			for ctx.Err() == nil {
				d.sql.Exec(ctx, numberedComment, "0") // it fails while the server is down
			}
			return nil
		})
	}
	from := sub.Cursor()
	var seen []stream.Cursor
	see := func(n int) {
		t.Helper()
		waiting, cancel := context.WithTimeout(t.Context(), streamtest.Patience)
		defer cancel()
		for ; n > 0; n-- {
			frames, err := sub.Next(waiting, 1)
			streamtest.Must(t, err) // a gap is an error
			seen = append(seen, frames[0].Cursor)
		}
	}
	for range 3 {
		see(100)
		streamtest.Must(t, server.Crash(t.Context()))
		d.restart(t, server)
	}
	see(100)
	stop()
	fresh := database{Store: open(t, d.dsn)} // none of its connections is from before a crash
	logged := fresh.events(t, from.Position, "post:42")
	for i, c := range seen {
		if i == len(logged) || logged[i].Cursor != c {
			t.Fatalf("the reader saw %v, and the log has %v", c, logged[min(i, len(logged)-1)].Cursor)
		}
	}
	streamtest.Want(t, "epochs", value[int64](t, d, `select count(*) from tidings.epochs`), 1)
}
