package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// TestLockedRowLeavesConnections checks that writes that wait for locked rows use at most
// half of the pool.
func TestLockedRowLeavesConnections(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	half := d.PoolStats().Max / 2
	deleted := make(chan error, 4*half)
	held := make([]store.Comment, cap(deleted))
	for i := range held {
		held[i] = d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
	}
	release := d.hold(t, `select from tidings.comments for update`)
	for _, c := range held {
		go func() { deleted <- d.DeleteComment(t.Context(), c.ID, "ann", false, nil) }()
	}
	d.waits(t, half)

	d.comment(t, store.NewComment{PostID: "other", Author: bob, Body: "Hello"})
	streamtest.Must(t, d.Ping(t.Context()))
	streamtest.Want(t, "deletes that have ended", len(deleted), 0)
	release()
	for range cap(deleted) {
		streamtest.Must(t, <-deleted)
	}
}

// TestLockedRowTakesOneSlot checks that any number of writes to one locked row do not delay a
// write to another row that is locked for a moment.
func TestLockedRowTakesOneSlot(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	held := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
	d.exec(t, `insert into tidings.posts (id) values ('busy')`)
	release := d.hold(t, `select from tidings.comments where id = $1 for update`, held.ID)
	deleted := make(chan error, 50*d.PoolStats().Max)
	for range cap(deleted) {
		go func() { deleted <- d.DeleteComment(t.Context(), held.ID, "ann", false, nil) }()
	}
	d.waits(t, 1) // in each of its turns
	releasePost := d.hold(t, `select from tidings.posts where id = 'busy' for update`)
	put := make(chan error, 1)
	go func() {
		_, _, err := d.PutPost(t.Context(), store.PostUpdate{ID: "busy"})
		put <- err
	}()
	streamtest.Eventually(t, "the change of the post waits for its row", func() bool {
		return value[bool](t, d, `
			select exists (
				select from pg_stat_activity
				where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'object' and query like '%insert into tidings.posts as p%'
					and clock_timestamp() - query_start > '100 ms' -- more than in the first attempt
			)`)
	})
	releasePost()
	streamtest.Must(t, <-put)
	streamtest.Want(t, "deletes that have ended", len(deleted), 0)
	release()
	for range cap(deleted) {
		if err := <-deleted; err != nil && !errors.Is(err, store.ErrBusy) {
			t.Error(err)
		}
	}
}

// TestLockedRowUsesOneConnection checks for each row that 200 comments may have to wait for
// that they use one connection, that no other write becomes solo, and that each is written once
// or refused.
func TestLockedRowUsesOneConnection(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, locked := range map[string]struct {
		hold    string
		comment func(i int) store.NewComment
	}{
		"Post": {
			`select from tidings.posts where id = 'held' for update`,
			func(i int) store.NewComment {
				return store.NewComment{PostID: "held", Author: user(fmt.Sprint("w", i))}
			},
		},
		"Parent": {
			`select from tidings.comments where id = 1 for update`,
			func(i int) store.NewComment {
				return store.NewComment{PostID: "mixed", Author: user(fmt.Sprint("w", i)), ParentID: new(int64(1))}
			},
		},
		"User": {
			`update tidings.users set name = 'X' where id = 'known'`,
			func(i int) store.NewComment {
				return store.NewComment{PostID: fmt.Sprint("post", i), Author: store.User{ID: "known", Name: "Renamed"}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			const many = 100
			d := db.cleared(t)
			before := d.GroupStats().Solo
			d.exec(t, `
				insert into tidings.posts (id) values ('held'), ('mixed');
				insert into tidings.users (id, name) values ('known', 'Known');
				insert into tidings.comments (post_id, author_id, body) values ('mixed', 'ann', 'Hello')`)
			release := d.hold(t, locked.hold)
			waiting := make(chan error, many)
			for i := range cap(waiting) {
				go func() {
					c := locked.comment(i)
					c.Body = "Hello"
					_, err := d.CreateComment(t.Context(), c)
					waiting <- err
				}()
			}
			streamtest.Eventually(t, "all are solo", func() bool { return d.GroupStats().Solo == before+many })
			for i := range 20 {
				d.comment(t, store.NewComment{PostID: "mixed", Author: user(fmt.Sprint("u", i)), Body: "Hello"})
				if used := value[int](t, d, waitingForLocks); used > 1 {
					t.Fatalf("%d connections wait for the row", used)
				}
			}
			streamtest.Want(t, "solo writes", d.GroupStats().Solo-before, many)
			release()
			written := 0
			for range cap(waiting) {
				if err := <-waiting; err == nil {
					written++
				} else if !errors.Is(err, store.ErrBusy) { // a slow machine needs 10 s
					t.Error(err)
				}
			}
			streamtest.Want(t, "comments", value[int](t, d, `select count(*) from tidings.comments`), written+20+1)
		})
	}
}

// waitingForLocks counts the connections of the store that wait for locks, other than the lock
// of NOTIFY.
const waitingForLocks = `
	select count(*)
	from pg_stat_activity
	where datname = current_database() and application_name = 'tidings' and wait_event_type = 'Lock' and wait_event <> 'object'`

// TestLockedRowIsMetOnce checks that of the writes of one batch that need a locked row,
// only the first meets the lock again in the search. All of them then are solo.
func TestLockedRowIsMetOnce(t *testing.T) {
	t.Parallel()

	const many = 12
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.posts (id) values ('held'), ('free');
		create sequence attempts;
		create function attempt() returns trigger language plpgsql as $$
		begin
			perform nextval('attempts');
			return new;
		end $$;
		create trigger attempt before insert on tidings.comments
			for each row when (new.post_id = 'held') execute function attempt()`)
	writes := []testWrite{good(3)}
	for i := range many {
		writes = append(writes, testWrite{do: func(ctx context.Context, d database) error {
			_, err := d.CreateComment(ctx, store.NewComment{PostID: "held", Author: user(fmt.Sprint("u", i)), Body: "Hello"})
			return err
		}})
	}
	release := d.hold(t, `select from tidings.posts where id = 'held' for update`)
	go func() {
		streamtest.Eventually(t, "all are solo", func() bool { return d.GroupStats().Solo == many })
		release()
	}()
	for _, err := range d.together(t, writes, 0) {
		streamtest.Must(t, err)
	}
	streamtest.Want(t, "attempts", value[int64](t, d, `select last_value from attempts`), many+1+many)
}

// TestLockedRowIsNotWrittenAfterTheCallerLeft checks that a solo write that has not begun is
// dropped when its caller leaves.
func TestLockedRowIsNotWrittenAfterTheCallerLeft(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `insert into tidings.posts (id) values ('held')`)
	release := d.hold(t, `select from tidings.posts where id = 'held' for update`)
	leaving, leave := context.WithCancel(t.Context())
	const begun = 1 // the others wait behind it
	comment := func(ctx context.Context, i int) error {
		_, err := d.CreateComment(ctx, store.NewComment{PostID: "held", Author: user(fmt.Sprint("u", i)), Body: "Hello"})
		return err
	}
	var left sync.WaitGroup
	for i := range begun + 6 {
		left.Go(func() { streamtest.WantErr(t, comment(leaving, i), context.Canceled) })
	}
	streamtest.Eventually(t, "all are solo", func() bool { return int(d.GroupStats().Solo) == begun+6 })
	d.waits(t, begun)
	leave()
	left.Wait()
	release()
	inParallel(8, func(i int) {
		if err := comment(t.Context(), i); err != nil {
			t.Error(err)
		}
	})
	streamtest.Want(t, "comments", value[int](t, d, `select count(*) from tidings.comments`), begun+8)
}

// TestCommittedIsNotRepeated checks that writes are not repeated when something fails after
// their COMMIT.
func TestCommittedIsNotRepeated(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `insert into tidings.posts (id) values ('42')`)
	dsn, err := url.Parse(d.dsn)
	streamtest.Must(t, err)
	query := dsn.Query()
	query.Set("lock_timeout", "3000") // also bounds the read of the counts
	dsn.RawQuery = query.Encode()
	impatient := d
	impatient.Store = open(t, dsn.String())

	turn := d.hold(t, `lock table tidings.turn in exclusive mode`)
	var writing sync.WaitGroup
	first := make(chan error, 1)
	go func() { first <- impatient.Publish(t.Context(), "room:1", "news", []byte(`{}`)) }()
	d.waits(t, 1)
	nextTurn := d.holdLater(t, `lock table tidings.turn in exclusive mode`)
	d.waits(t, 2)
	var commented, liked error
	writing.Go(func() {
		_, commented = impatient.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
	})
	writing.Go(func() { _, liked = impatient.Like(t.Context(), "42", bob) })
	streamtest.Eventually(t, "both wait", func() bool { return impatient.GroupStats().Waiting == 2 })
	turn()
	streamtest.Must(t, <-first)
	streamtest.Eventually(t, "the batch of two waits for the next turn", func() bool {
		return value[bool](t, d, `
			select count(*) filter (where application_name = 'tidings' and not granted) = 1
				and count(*) filter (where application_name <> 'tidings' and granted) = 1
			from pg_locks
			join pg_stat_activity using (pid)
			where relation = 'tidings.turn'::regclass`)
	})
	alter := d.holdLater(t, `lock table tidings.posts in access exclusive mode`)
	d.waits(t, 2)
	nextTurn() // they commit, and the table is locked before the counts are read
	writing.Wait()
	alter()
	streamtest.Must(t, commented)
	streamtest.WantErr(t, liked, store.ErrUnavailable)
	streamtest.Want(t, "comments", value[int](t, d, `select count(*) from tidings.comments`), 1)
	streamtest.Want(t, "likes", value[int](t, d, `select count(*) from tidings.likes`), 1)
}

// holdLater waits for a lock in the background, takes it, and keeps it until release is
// called.
func (d database) holdLater(t *testing.T, sql string) (release func()) {
	t.Helper()
	tx, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	locked := make(chan struct{})
	go func() {
		defer close(locked)
		if _, err := tx.Exec(t.Context(), sql); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	release = sync.OnceFunc(func() {
		<-locked
		tx.Rollback(context.WithoutCancel(t.Context()))
	})
	t.Cleanup(release)
	return release
}

func TestRetain_DeletesExpiredKeys(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	for _, key := range []string{"old", "young"} {
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: key})
	}
	for key, age := range map[string]time.Duration{"old": store.IdempotencyLifetime, "young": store.IdempotencyLifetime - time.Minute} {
		d.exec(t, `update tidings.idempotency set created_at = now() - $2::interval where key = $1`, key, age)
	}
	run(t, func(ctx context.Context) error { return d.Retain(ctx, store.Retention{Age: time.Hour, Rows: 1000}) })
	streamtest.Eventually(t, "the old key is deleted", func() bool {
		return value[string](t, d, `select string_agg(key, ',') from tidings.idempotency`) == "young"
	})
}

// TestLockedRowDelaysOnlyWritesThatNeedIt checks for each row that a write may have to wait
// for that no other write becomes solo, also if it has another row in common with the writes
// that wait: others comment on the post "mixed".
func TestLockedRowDelaysOnlyWritesThatNeedIt(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	renamed := store.User{ID: "known", Name: "Renamed"}
	comment := func(c store.NewComment) func(ctx context.Context, d database) error {
		c.Body = "Hello"
		return func(ctx context.Context, d database) error { _, err := d.CreateComment(ctx, c); return err }
	}
	like := func(post string, by store.User) func(ctx context.Context, d database) error {
		return func(ctx context.Context, d database) error { _, err := d.Like(ctx, post, by); return err }
	}
	likeComment := func(id int64, by string) func(ctx context.Context, d database) error {
		return func(ctx context.Context, d database) error { _, err := d.LikeComment(ctx, id, user(by)); return err }
	}
	for name, locked := range map[string]struct {
		hold    string
		blocked func(ctx context.Context, d database) error
	}{
		"UnknownUser": {
			`insert into tidings.comments (post_id, author_id, body) values ('held', 'hu', 'x')`,
			comment(store.NewComment{PostID: "mixed", Author: user("hu")}),
		},
		"KnownUser": {
			`select from tidings.users where id = 'known' for update`,
			comment(store.NewComment{PostID: "mixed", Author: renamed}),
		},
		"KnownUserWhoLikes": {
			`update tidings.users set name = 'X' where id = 'known'`, like("mixed", renamed),
		},
		"Post": {
			`select from tidings.posts where id = 'held' for update`,
			comment(store.NewComment{PostID: "held", Author: user("hu")}),
		},
		"UnknownPost": {
			`insert into tidings.posts (id) values ('new')`,
			comment(store.NewComment{PostID: "new", Author: user("hu")}),
		},
		"UnknownPostWithALike": {
			`insert into tidings.likes (post_id, user_id) values ('new', 'x')`,
			comment(store.NewComment{PostID: "new", Author: user("hu")}),
		},
		"DeletedPost": {
			`delete from tidings.posts where id = 'held'`, like("held", user("hu")),
		},
		"Parent": {
			`select from tidings.comments where id = 1 for update`,
			comment(store.NewComment{PostID: "mixed", Author: user("hu"), ParentID: new(int64(1))}),
		},
		"Like": {
			`insert into tidings.likes (post_id, user_id) values ('mixed', 'known')`,
			like("mixed", user("known")),
		},
		"Unlike": {
			`delete from tidings.likes where user_id = 'liker'`,
			func(ctx context.Context, d database) error { _, err := d.Unlike(ctx, "mixed", "liker"); return err },
		},
		"LikedComment": {
			`select from tidings.comments where id = 1 for update`, likeComment(1, "hu"),
		},
		"DeletedComment": {
			`delete from tidings.comments where id = 2`, likeComment(2, "hu"),
		},
		"PostOfALikedComment": {
			`select from tidings.posts where id = 'held' for update`, likeComment(2, "hu"),
		},
		"LikeOfAComment": {
			`insert into tidings.likes (post_id, comment_id, user_id) values ('mixed', 1, 'known')`, likeComment(1, "known"),
		},
		"UnlikeOfAComment": {
			`delete from tidings.likes where user_id = 'liker'`,
			func(ctx context.Context, d database) error { _, err := d.UnlikeComment(ctx, 1, "liker"); return err },
		},
		"NotificationOfALikeOfAComment": {
			`insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id) values ('known', 'like', 'mixed', 1, 'hu')`,
			likeComment(1, "hu"),
		},
		"Notification": {
			`insert into tidings.notifications (user_id, kind, post_id, actor_id) values ('author', 'like', 'liked', 'hu')`,
			like("liked", user("hu")),
		},
		"RowOfTheSite": {
			`update site_counters set n = 0 where post_id = 'held'`,
			comment(store.NewComment{PostID: "held", Author: user("hu")}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := db.cleared(t)
			before := d.GroupStats().Solo
			d.exec(t, `
				create table site_counters (post_id text primary key, n int default 0);
				create function count_for_site() returns trigger language plpgsql as $$
				begin
					update site_counters set n = n + 1 where post_id = new.post_id;
					return new;
				end $$;
				create trigger count_for_site before insert on tidings.comments
					for each row when (new.post_id = 'held') execute function count_for_site();
				insert into site_counters values ('held');
				insert into tidings.posts (id, author_id) values ('held', null), ('mixed', 'author'), ('liked', 'author');
				insert into tidings.users (id, name) values ('known', 'Known');
				insert into tidings.comments (post_id, author_id, body) values ('mixed', 'known', 'Hello'), ('held', 'known', 'Hello');
				insert into tidings.likes (post_id, comment_id, user_id) values ('mixed', null, 'liker'), ('mixed', 1, 'liker')`)
			release := d.hold(t, locked.hold)
			waiting := make(chan error, 3)
			for range cap(waiting) {
				go func() { waiting <- locked.blocked(t.Context(), d) }()
			}
			streamtest.Eventually(t, "they are solo", func() bool { return d.GroupStats().Solo == before+3 })
			for i := range 10 {
				d.comment(t, store.NewComment{PostID: "mixed", Author: user(fmt.Sprint("u", i%6)), Body: "Hello"})
			}
			streamtest.Want(t, "solo writes", d.GroupStats().Solo-before, 3)
			release()
			for range cap(waiting) {
				if err := <-waiting; err != nil && !errors.Is(err, store.ErrInFlight) && !errors.Is(err, store.ErrBusy) {
					t.Error(err)
				}
			}
		})
	}
}

// TestLockedTableDelaysOnlyWritesThatNeedIt checks that writes that wait for a table do not
// make others solo that are on the same post.
func TestLockedTableDelaysOnlyWritesThatNeedIt(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	comment := func(ctx context.Context, d database, i int) error {
		_, err := d.CreateComment(ctx, store.NewComment{PostID: "mixed", Author: user(fmt.Sprint("u", i)), Body: "Hello"})
		return err
	}
	like := func(ctx context.Context, d database, i int) error {
		_, err := d.Like(ctx, "mixed", user(fmt.Sprint("u", i)))
		return err
	}
	publish := func(ctx context.Context, d database, i int) error {
		return d.Publish(ctx, fmt.Sprint("room:", i), "news", []byte(`{}`))
	}
	for lock, test := range map[string]struct {
		blocked, free func(context.Context, database, int) error
	}{
		"comments in share mode":      {comment, like},
		"comments in exclusive mode":  {like, publish}, // because of a foreign key
		"likes in share mode":         {like, comment},
		"users in share mode":         {comment, publish},
		"posts in exclusive mode":     {like, publish},
		"notifications in share mode": {comment, publish},
	} {
		t.Run(lock, func(t *testing.T) {
			d := db.cleared(t)
			before := d.GroupStats().Solo
			d.exec(t, `insert into tidings.posts (id, author_id) values ('mixed', 'author')`)
			release := d.hold(t, `lock table tidings.`+lock)
			waiting := make(chan error, 3)
			for i := range cap(waiting) {
				go func() { waiting <- test.blocked(t.Context(), d, 100+i) }() // of other users than those below
				streamtest.Eventually(t, "it is solo", func() bool { return d.GroupStats().Solo == before+int64(i)+1 })
			}
			for i := range 10 {
				streamtest.Must(t, test.free(t.Context(), d, i))
			}
			if solo := d.GroupStats().Solo - before; solo > 3+5 {
				t.Errorf("%d of the 20 writes that need no lock are solo", solo-3)
			}
			release()
			for range cap(waiting) {
				if err := <-waiting; err != nil && !errors.Is(err, store.ErrBusy) {
					t.Error(err)
				}
			}
		})
	}
}

// TestLockedRowLeavesSlots checks that writes that wait for one row delay no other
// transaction outside of batches: a delete, a refused comment.
func TestLockedRowLeavesSlots(t *testing.T) {
	t.Parallel()
	newPair(t).each(t, "", func(t *testing.T, d database) {
		own := d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
		d.exec(t, `insert into tidings.posts (id) values ('held')`)
		release := d.hold(t, `select from tidings.posts where id = 'held' for update`)
		waiting := make(chan error, 3*d.PoolStats().Max)
		for range cap(waiting) {
			go func() {
				_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "held", Author: ann, Body: "Hello"})
				waiting <- err
			}()
		}
		d.waits(t, 1)
		streamtest.Must(t, d.DeleteComment(t.Context(), own.ID, "bob", false, nil))
		_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: bob, Body: "\x00"})
		wantInvalid(t, err, "")
		streamtest.Want(t, "writes that have ended", len(waiting), 0)
		release()
		for range cap(waiting) {
			streamtest.Must(t, <-waiting)
		}
	})
}
