package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A pair has a database whose writes are committed in groups, and one without group commit.
type pair struct{ inGroups, alone database }

func newPair(t *testing.T) pair {
	t.Helper()
	return pair{newDatabase(t), newDatabase(t, noGroups)}
}

// each runs a test with group commit and without it. Each test finds its database empty.
func (p pair) each(t *testing.T, name string, test func(t *testing.T, d database)) {
	t.Run(name, func(t *testing.T) {
		t.Run("InGroups", func(t *testing.T) { test(t, p.inGroups.cleared(t)) })
		t.Run("Alone", func(t *testing.T) { test(t, p.alone.cleared(t)) })
	})
}

// hold runs a statement that locks something, in a transaction that stays open until
// release is called.
func (d database) hold(t *testing.T, sql string, args ...any) (release func()) {
	t.Helper()
	tx, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = tx.Exec(t.Context(), sql, args...)
	streamtest.Must(t, err)
	release = sync.OnceFunc(func() { tx.Rollback(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	return release
}

// inParallel calls a function n times at the same time, and waits for all calls.
func inParallel(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func TestWrites(t *testing.T) {
	t.Parallel()

	both := newPair(t)
	both.each(t, "AllArriveAndAreCounted", func(t *testing.T, d database) {
		inParallel(24, func(i int) {
			post := fmt.Sprint("p", i%4)
			for range 5 {
				if _, err := d.CreateComment(t.Context(), store.NewComment{PostID: post, Author: user(fmt.Sprint("u", i)), Body: "Hello"}); err != nil {
					t.Error(err)
				}
				if _, err := d.Like(t.Context(), post, user(fmt.Sprint("u", i))); err != nil {
					t.Error(err)
				}
				if _, err := d.Unlike(t.Context(), post, fmt.Sprint("u", i%7)); err != nil {
					t.Error(err)
				}
			}
		})
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 24*5)
		streamtest.Want(t, "events", value[int64](t, d, `select count(*) from tidings.events where name = 'new-comment'`), 24*5)
		streamtest.Want(t, "repaired counts", value[int64](t, d, `select tidings.recount()`), 0)
	})

	both.each(t, "OneBadRowFailsAlone", func(t *testing.T, d database) {
		d.exec(t, `insert into tidings.posts (id, locked) values ('locked', true)`)
		parent := int64(1 << 40)
		bad := []struct {
			c    store.NewComment
			want error
		}{
			{store.NewComment{PostID: "locked", Body: "Hello"}, store.ErrPostLocked},
			{store.NewComment{PostID: "42", ParentID: &parent, Body: "Hello"}, store.ErrNoParent},
			{store.NewComment{PostID: "42", Body: "nul \x00"}, nil},
			{store.NewComment{PostID: "42", Body: strings.Repeat("x", 5001)}, nil},
			{store.NewComment{PostID: "no id", Body: "Hello"}, nil},
		}
		inParallel(60, func(i int) {
			c, wanted := store.NewComment{PostID: "42", Body: "Hello"}, error(nil)
			isBad := i%3 == 0
			if isBad {
				c, wanted = bad[i/3%len(bad)].c, bad[i/3%len(bad)].want
			}
			c.Author = user(fmt.Sprint("bad", i)) // later tests have other users
			c.IdempotencyKey = keyOrNone[i%2]
			_, err := d.CreateComment(t.Context(), c)
			var invalid *store.InvalidError
			switch {
			case !isBad && err != nil, wanted != nil && !errors.Is(err, wanted), isBad && wanted == nil && !errors.As(err, &invalid):
				t.Errorf("%q on %s: got %v", c.Body[:3], c.PostID, err)
			}
		})
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 40)
	})

	both.each(t, "LockedRowDelaysOnlyItsOwnWrites", func(t *testing.T, d database) {
		d.exec(t, `insert into tidings.posts (id) values ('held'), ('free')`)
		release := d.hold(t, `select from tidings.posts where id = 'held' for update`)
		held := make(chan error, 1)
		go func() {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "held", Author: ann, Body: "Hello"})
			held <- err
		}()
		d.waits(t, 1)
		inParallel(16, func(i int) {
			if _, err := d.Like(t.Context(), "free", user(fmt.Sprint("u", i))); err != nil {
				t.Error(err)
			}
		})
		select {
		case err := <-held:
			t.Errorf("the comment on the locked post has ended: %v", err)
		default:
		}
		release()
		streamtest.Must(t, <-held)
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments where post_id = 'held'`), 1)
	})

	// A wait for the turn has no short limit: others hold it only while they commit.
	both.each(t, "TurnIsWaitedForAsLongAsItTakes", func(t *testing.T, d database) {
		solo := d.GroupStats().Solo
		release := d.hold(t, `lock table tidings.turn in exclusive mode`)
		done := make(chan error, 1)
		go func() {
			_, err := d.Like(t.Context(), "42", user("ann"))
			done <- err
		}()
		streamtest.Eventually(t, "it has waited for 300 ms", func() bool {
			return value[bool](t, d, `
				select exists (
					select from pg_locks
					where relation = 'tidings.turn'::regclass
						and not granted
						and clock_timestamp() - waitstart > interval '300 ms'
				)`)
		})
		release()
		streamtest.Must(t, <-done)
		streamtest.Want(t, "solo writes", d.GroupStats().Solo-solo, 0) // flush did not use the short lock_timeout
	})

	both.each(t, "OneBadEventFailsAlone", func(t *testing.T, d database) {
		inParallel(40, func(i int) {
			topic := fmt.Sprintf("room:%d", i)
			if i%4 == 0 {
				topic = "no topic"
			}
			err := d.Publish(t.Context(), topic, "news", []byte(`{}`))
			var invalid *store.InvalidError
			if (i%4 == 0) != errors.As(err, &invalid) || i%4 != 0 && err != nil {
				t.Errorf("publish to %s: %v", topic, err)
			}
			if _, err := d.Like(t.Context(), "42", user(topic)); i%4 != 0 && err != nil {
				t.Errorf("like at the same time: %v", err)
			}
		})
		streamtest.Want(t, "events", value[int64](t, d, `select count(*) from tidings.events where name = 'news'`), 30)
	})

	both.each(t, "LastOfLikeAndUnlikeCounts", func(t *testing.T, d database) {
		inParallel(32, func(i int) {
			var err error
			if i%2 == 0 {
				_, err = d.Like(t.Context(), "42", ann)
			} else {
				_, err = d.Unlike(t.Context(), "42", "ann")
			}
			if err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
		got, err := d.Like(t.Context(), "42", ann)
		streamtest.Must(t, err)
		streamtest.Want(t, "likes", got, store.Likes{Count: 1, Liked: true})
	})

	both.each(t, "ClientThatLeftIsNotWritten", func(t *testing.T, d database) {
		left, leave := context.WithCancel(t.Context())
		leave()
		_, err := d.CreateComment(left, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		streamtest.WantErr(t, err, context.Canceled)
		_, err = d.Like(t.Context(), "43", bob) // the queue before it is done
		streamtest.Must(t, err)
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 0)
	})

	t.Run("EndWithTheStore", func(t *testing.T) {
		d := both.alone.cleared(t)
		s, err := store.Open(t.Context(), store.Config{URL: d.dsn, AutoPosts: true, GroupCommit: true})
		streamtest.Must(t, err)
		defer s.Close()
		ctx, stop := context.WithCancel(t.Context())
		stop()
		streamtest.Must(t, s.Run(ctx))
		_, err = s.Like(t.Context(), "42", ann)
		streamtest.WantErr(t, err, store.ErrUnavailable)
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()

	both := newPair(t)
	hello := store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: "k1"}

	both.each(t, "AnswersTheSameAgain", func(t *testing.T, d database) {
		first := d.comment(t, hello)
		again := first
		again.Repeated = true
		streamtest.Want(t, "the second answer", d.comment(t, hello), again)
		other := hello
		other.Author = bob
		if again := d.comment(t, other); again.ID == first.ID {
			t.Error("the key of one user answers with the comment of another")
		}
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 2)
	})

	t.Run("AnswersManyOfAGroup", func(t *testing.T) {
		d := both.inGroups.cleared(t)
		first := d.comment(t, hello)
		first.Repeated = true
		inParallel(100, func(int) {
			if again, err := d.CreateComment(t.Context(), hello); err != nil || !reflect.DeepEqual(again, first) {
				t.Errorf("got %+v, %v, want %+v", again, err, first)
			}
		})
	})

	both.each(t, "RefusesAnotherRequest", func(t *testing.T, d database) {
		first := d.comment(t, hello)
		for _, edit := range []func(c *store.NewComment){
			func(c *store.NewComment) { c.Body = "Hello!" },
			func(c *store.NewComment) { c.PostID = "43" },
			func(c *store.NewComment) { c.ParentID = &first.ID },
		} {
			other := hello
			edit(&other)
			_, err := d.CreateComment(t.Context(), other)
			streamtest.WantErr(t, err, store.ErrKeyReused)
		}
	})

	both.each(t, "ExpiresAfterADay", func(t *testing.T, d database) {
		first := d.comment(t, hello)
		d.exec(t, `update tidings.idempotency set created_at = created_at - interval '24 hours'`)
		if d.comment(t, hello).ID == first.ID {
			t.Error("a key that has expired is still used")
		}
	})

	both.each(t, "IsInFlightUntilTheFirstCommits", func(t *testing.T, d database) {
		d.exec(t, `insert into tidings.posts (id) values ('42')`)
		release := d.hold(t, `select from tidings.posts where id = '42' for update`)
		first := make(chan error, 1)
		go func() {
			_, err := d.CreateComment(t.Context(), hello)
			first <- err
		}()
		d.waits(t, 1)
		for _, s := range []*store.Store{d.Store, open(t, d.dsn)} { // on this instance and on another one
			_, err := s.CreateComment(t.Context(), hello)
			streamtest.WantErr(t, err, store.ErrInFlight)
		}
		release()
		streamtest.Must(t, <-first)
	})

	// Another role can take any advisory lock, and has no right to the table of keys.
	both.each(t, "IsNotHeldByAdvisoryLocks", func(t *testing.T, d database) {
		d.hold(t, `select pg_advisory_xact_lock(hashtextextended('ann k1', seed)) from generate_series(0, 100) as seed`)
		streamtest.Want(t, "the body", d.comment(t, hello).Body, "Hello")
	})

	both.each(t, "IsFreeAgainAfterARefusal", func(t *testing.T, d database) {
		d.exec(t, `insert into tidings.posts (id, locked) values ('42', true)`)
		_, err := d.CreateComment(t.Context(), hello)
		streamtest.WantErr(t, err, store.ErrPostLocked)
		d.exec(t, `update tidings.posts set locked = false`)
		other := hello
		other.Body = "Another body"
		streamtest.Want(t, "the body", d.comment(t, other).Body, "Another body")
	})

	t.Run("IsCheckedBeforeItIsKnown", func(t *testing.T) {
		d := both.inGroups.cleared(t)
		check := func(want bool, wantErr error) {
			t.Helper()
			known, err := d.CheckKey(t.Context(), "ann", "k1")
			streamtest.WantErr(t, err, wantErr)
			streamtest.Want(t, "the key is known", known, want)
		}
		d.exec(t, `insert into tidings.posts (id) values ('42')`)
		release := d.hold(t, `select from tidings.posts where id = '42' for update`)
		check(false, nil)
		first := make(chan error, 1)
		go func() {
			_, err := d.CreateComment(t.Context(), hello)
			first <- err
		}()
		d.waits(t, 1)
		check(false, store.ErrInFlight)
		release()
		streamtest.Must(t, <-first)
		check(true, nil)
	})

	both.each(t, "MakesOneCommentForManyRequests", func(t *testing.T, d database) {
		other := open(t, d.dsn)
		for round := range 10 {
			c := hello
			c.IdempotencyKey = fmt.Sprint("round", round)
			inParallel(16, func(i int) {
				s := []*store.Store{d.Store, other}[i%2]
				if _, err := s.CreateComment(t.Context(), c); err != nil && !errors.Is(err, store.ErrInFlight) {
					t.Error(err)
				}
			})
		}
		streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 10)
	})
}

func TestTrim(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	// fill publishes n events, each a minute older than the next.
	fill := func(t *testing.T, d database, n int) {
		t.Helper()
		for range n / 2 {
			d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		}
		d.exec(t, `
			update tidings.events
			set created_at = statement_timestamp() - interval '1 minute' * (tidings.head() - position)`)
	}
	left := func(t *testing.T, d database) int64 {
		return value[int64](t, d, `select count(*) from tidings.events`)
	}
	const week = 7 * 24 * time.Hour

	for name, c := range map[string]struct {
		keep store.Retention
		left int64
	}{
		"DeletesOldEvents":            {store.Retention{Age: 20*time.Minute - time.Second, Rows: 1000}, 20},
		"KeepsTheLastQuarterOfAnHour": {store.Retention{Age: time.Second, Rows: 1}, 15},
		"DeletesEventsOverTheNumber":  {store.Retention{Age: week, Rows: 30}, 30},
		"KeepsEventsWithinBounds":     {store.Retention{Age: week, Rows: 1000}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			d := db.cleared(t)
			fill(t, d, 40)
			removed, err := d.Trim(t.Context(), c.keep)
			streamtest.Must(t, err)
			streamtest.Want(t, "events left", left(t, d), c.left)
			streamtest.Want(t, "events removed", removed, 40-c.left)
			streamtest.Want(t, "the floor", value[int64](t, d, `select position from tidings.floor`), 40-c.left)
			streamtest.Want(t, "the head", d.head(t).Position, int64(40))
		})
	}

	t.Run("KeepsTheNewestCounts", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.Like(t.Context(), "quiet", bob)
		streamtest.Must(t, err)
		fill(t, d, 60)
		d.exec(t, `update tidings.events set created_at = created_at - interval '1 day'`)
		_, err = d.Trim(t.Context(), store.Retention{Age: time.Hour, Rows: 1000})
		streamtest.Must(t, err)
		streamtest.Want(t, "events left", left(t, d), 0)
		streamtest.Want(t, "counters left", value[int64](t, d, `select count(*) from tidings.counts`), 2)
		streamtest.Want(t, "repaired counts", value[int64](t, d, `select tidings.recount()`), 0)
	})

	t.Run("DoesNothingWhileAnotherInstanceTrims", func(t *testing.T) {
		d := db.cleared(t)
		fill(t, d, 40)
		release := d.hold(t, `select from tidings.floor for update`)
		removed, err := d.Trim(t.Context(), store.Retention{Age: 20 * time.Minute})
		streamtest.Must(t, err)
		streamtest.Want(t, "events removed", removed, 0)
		release()
		removed, err = d.Trim(t.Context(), store.Retention{Age: 20*time.Minute - time.Second, Rows: 1000})
		streamtest.Must(t, err)
		streamtest.Want(t, "events removed", removed, 20)
	})
}
