package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// queueRoom is the size of the queue in package group.
const queueRoom = 4096

// TestFullQueue checks that a write that finds the queue full is refused at once, and that
// the writes in the queue are made, unless their callers have left.
func TestFullQueue(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	release := d.hold(t, `lock table tidings.turn in exclusive mode`)
	publish := func(ctx context.Context, topic string) error { return d.Publish(ctx, topic, "news", []byte(`{}`)) }
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := publish(t.Context(), "room:first"); err != nil {
			t.Error(err)
		}
	})
	d.waits(t, 1)
	leaving, leave := context.WithCancel(t.Context())
	for i := range queueRoom {
		waiting.Go(func() {
			var err error
			if i%2 == 0 {
				err = publish(t.Context(), "room:stays")
			} else if err = publish(leaving, "room:leaves"); errors.Is(err, context.Canceled) {
				err = nil
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	streamtest.Eventually(t, "the queue is full", func() bool { return d.GroupStats().Waiting == queueRoom })
	streamtest.WantErr(t, publish(t.Context(), "room:late"), store.ErrBusy)
	_, err := d.Like(t.Context(), "42", ann)
	streamtest.WantErr(t, err, store.ErrBusy)
	leave()
	release()
	waiting.Wait()
	streamtest.Must(t, publish(t.Context(), "room:after"))
	for topic, n := range map[string]int64{"first": 1, "stays": queueRoom / 2, "leaves": 0, "late": 0, "after": 1} {
		streamtest.Want(t, topic, value[int64](t, d, `select count(*) from tidings.events where topic = $1`, "room:"+topic), n)
	}
	streamtest.Want(t, "likes", value[int64](t, d, `select count(*) from tidings.likes`), 0)
}

// TestIdempotencyKey_SurvivesACrash checks that a key is as durable as its comment: a
// client that got no answer because the server crashed, and repeats its request, makes one
// comment.
func TestIdempotencyKey_SurvivesACrash(t *testing.T) {
	t.Parallel()

	d, server := newServer(t)
	const writers = 8
	asked := func(i int) store.NewComment {
		return store.NewComment{PostID: "42", Author: user(fmt.Sprint("u", i)), Body: "Hello", IdempotencyKey: "k"}
	}
	known := d.comment(t, asked(0))
	answers := make(chan error, writers)
	for i := range writers {
		go func() {
			for round := 0; ; round++ {
				c := asked(i)
				c.IdempotencyKey = fmt.Sprint("round", round)
				if _, err := d.CreateComment(t.Context(), c); err != nil { // the comment may be stored or not
					_, again := d.CreateComment(t.Context(), c)
					for errors.Is(again, store.ErrUnavailable) || errors.Is(again, store.ErrInFlight) {
						_, again = d.CreateComment(t.Context(), c)
					}
					answers <- again
					return
				}
			}
		}()
	}
	streamtest.Eventually(t, "they write", func() bool {
		return value[int64](t, d, `select count(*) from tidings.comments`) > 200
	})
	streamtest.Must(t, server.Crash(t.Context()))
	d.restart(t, server)
	for range writers {
		streamtest.Must(t, <-answers)
	}
	known.Repeated = true
	streamtest.Want(t, "the answer to a key from before the crash", d.comment(t, asked(0)), known)
	streamtest.Want(t, "comments without a key", value[int64](t, d, `
		select count(*)
		from tidings.comments c
		where not exists (
			select from tidings.idempotency i
			where i.comment_id = c.id
		)`), 0)
	streamtest.Want(t, "keys", value[int64](t, d, `select count(*) from tidings.idempotency`), value[int64](t, d, `select count(*) from tidings.comments`))
}

// TestSerializableWriters checks that SERIALIZABLE transactions of other clients, and that
// default of the database, never fail our writes.
func TestSerializableWriters(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$`)
	d.sql.Reset()
	ours := open(t, d.dsn)
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	written := make([]int, 3)
	for i := range written {
		others.Go(func() {
			for ctx.Err() == nil {
				_, err := d.sql.Exec(t.Context(), `
					insert into tidings.comments (post_id, author_id, body)
					select '42', 'strict', count(*)
					from tidings.comments`)
				var pg *pgconn.PgError
				switch {
				case err == nil:
					written[i]++
				case !errors.As(err, &pg) || pg.Code != pgerrcode.SerializationFailure:
					t.Error(err)
				}
			}
		})
	}
	const writers, each = 16, 20
	inParallel(writers, func(i int) {
		by := user(fmt.Sprint("u", i))
		for range each {
			if _, err := ours.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: by, Body: "Hello"}); err != nil {
				t.Error(err)
			}
			if _, err := ours.Like(t.Context(), "42", by); err != nil {
				t.Error(err)
			}
		}
	})
	stop()
	others.Wait()
	total := int64(writers * each)
	for _, n := range written {
		total += int64(n)
	}
	streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), total)
	streamtest.Want(t, "events", value[int64](t, d, `select count(*) from tidings.events where name = 'new-comment'`), total)
	streamtest.Want(t, "likes", value[int64](t, d, `select count(*) from tidings.likes`), writers)
	streamtest.Want(t, "repaired counts", value[int64](t, d, `select tidings.recount()`), 0)
}
