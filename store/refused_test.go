package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// refuseSpam adds a trigger, as a site may have one, that refuses spam and counts it.
func refuseSpam(tb testing.TB, in storetest.Executor) {
	tb.Helper()
	_, err := in.Exec(tb.Context(), `
		create sequence public.refusals minvalue 0;
		create function public.refuse_spam() returns trigger language plpgsql as $$
		begin
			perform nextval('public.refusals'); -- a rollback leaves it as it is
			raise exception '% is spam', new.body using errcode = 'check_violation', constraint = 'no_spam';
		end $$;
		create trigger refuse_spam before insert on tidings.comments
			for each row when (new.body like 'spam%') execute function public.refuse_spam()`)
	if err != nil {
		tb.Fatal(err)
	}
}

// A testWrite is one write, and the error that is expected.
type testWrite struct {
	do      func(ctx context.Context, d database) error
	written string // query that counts the rows that the write has inserted
	refused string // part of the detail of the error; empty: the write is committed
}

func commentWriteOf(name, body, key, refused string) testWrite {
	return testWrite{
		do: func(ctx context.Context, d database) error {
			_, err := d.CreateComment(ctx, store.NewComment{PostID: "42", Author: user(name), Body: body, IdempotencyKey: key})
			return err
		},
		written: fmt.Sprintf(`select count(*) from tidings.events join tidings.comments on comments.id = comment_id where name = 'new-comment' and author_id = '%s'`, name),
		refused: refused,
	}
}

// good returns write number i that the database takes; the kinds alternate.
func good(i int) testWrite {
	name := fmt.Sprint("good", i)
	switch i % 4 {
	case 0:
		return commentWriteOf(name, "Hello", "", "")
	case 1:
		return commentWriteOf(name, "Hello", "key", "")
	case 2:
		return testWrite{
			do:      func(ctx context.Context, d database) error { _, err := d.Like(ctx, "42", user(name)); return err },
			written: fmt.Sprintf(`select count(*) from tidings.likes where user_id = '%s'`, name),
		}
	}
	return testWrite{
		do:      func(ctx context.Context, d database) error { return d.Publish(ctx, "room:"+name, "news", []byte(`{}`)) },
		written: fmt.Sprintf(`select count(*) from tidings.events where topic = 'room:%s'`, name),
	}
}

// bad returns write number i that the database refuses, for different reasons.
func bad(i int) testWrite {
	name := fmt.Sprint("bad", i)
	switch i % 6 {
	case 0:
		return commentWriteOf(name, "spam"+name, "", "spam"+name+" is spam")
	case 1:
		return commentWriteOf(name, "spam"+name, "key", "spam"+name+" is spam")
	case 2:
		return commentWriteOf(name, "nul\x00", "", "character")
	case 3:
		return commentWriteOf(name, strings.Repeat("x", store.MaxBodyRunes+1), "", "comments_body_length")
	case 4:
		return testWrite{
			do:      func(ctx context.Context, d database) error { _, err := d.Like(ctx, "42", user(name+" ")); return err },
			written: fmt.Sprintf(`select count(*) from tidings.likes where user_id = '%s '`, name),
			refused: "users_id_grammar",
		}
	}
	return testWrite{
		do:      func(ctx context.Context, d database) error { return d.Publish(ctx, name, "news", []byte(`{}`)) },
		written: fmt.Sprintf(`select count(*) from tidings.events where topic = '%s'`, name),
		refused: "invalid topic '" + name + "'",
	}
}

// together makes writes in one batch, and returns their errors. waiting is the number of
// sessions that wait for a lock already.
func (d database) together(t *testing.T, writes []testWrite, waiting int) []error {
	t.Helper()
	release := d.hold(t, `lock table tidings.turn in exclusive mode`)
	errs := make([]error, len(writes)+1)
	var doing sync.WaitGroup
	doing.Go(func() { errs[len(writes)] = d.Publish(t.Context(), "room:first", "news", []byte(`{}`)) })
	d.waits(t, waiting+1) // only it is in the transaction, and the next batch gathers
	for i, w := range writes {
		doing.Go(func() { errs[i] = w.do(t.Context(), d) })
	}
	streamtest.Eventually(t, "all wait for the next transaction", func() bool { return d.GroupStats().Waiting == len(writes) })
	release()
	doing.Wait()
	streamtest.Must(t, errs[len(writes)])
	return errs[:len(writes)]
}

func (w testWrite) check(t *testing.T, d database, err error) {
	t.Helper()
	var invalid *store.InvalidError
	switch {
	case w.refused == "":
		streamtest.Must(t, err)
		streamtest.Want(t, w.written, value[int64](t, d, w.written), 1)
	case !errors.As(err, &invalid) || !strings.Contains(invalid.Detail, w.refused):
		t.Errorf("got %v, want an error about %q", err, w.refused)
	default:
		streamtest.Want(t, w.written, value[int64](t, d, w.written), 0)
	}
}

// TestRefusedGroup checks that of a batch that the database refuses, all good writes are
// committed and each bad write gets its own error.
func TestRefusedGroup(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	for name, writes := range map[string][]testWrite{
		"OneOnly":        {bad(0)},
		"OneOfTwo":       {good(0), bad(5)},
		"OneOfEachKind":  mixed(40, 6),
		"SeveralOfMany":  mixed(50, 20),
		"AllButOne":      mixed(1, 30),
		"All":            mixed(0, 30),
		"NoneIsAGroup":   mixed(60, 0),
		"MoreThanOneHas": mixed(300, 7),
	} {
		t.Run(name, func(t *testing.T) {
			d := db.again(t)
			refuseSpam(t, d.sql)
			for i, err := range d.together(t, writes, 0) {
				writes[i].check(t, d, err)
			}
			streamtest.Want(t, "repaired counts", value[int64](t, d, `select tidings.recount()`), 0)
		})
	}

	t.Run("StoresTheKeysOfGoodWritesOnly", func(t *testing.T) {
		d := db.again(t)
		refuseSpam(t, d.sql)
		writes := []testWrite{good(1), bad(1), good(5), bad(0)}
		d.together(t, writes, 0)
		for _, i := range []int{0, 2} { // again
			writes[i].check(t, d, writes[i].do(t.Context(), d))
		}
		afterwards := commentWriteOf("bad1", "I am sorry", "key", "")
		afterwards.check(t, d, afterwards.do(t.Context(), d))
	})
}

// mixed returns good and bad writes in random order.
func mixed(goods, bads int) (writes []testWrite) {
	for i := range goods {
		writes = append(writes, good(i))
	}
	for i := range bads {
		writes = append(writes, bad(i))
	}
	rand.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
	return writes
}

// TestRiskyWritesAreSolo checks that writes that the database may refuse for their content
// never split a batch.
func TestRiskyWritesAreSolo(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	writes := []testWrite{good(0), bad(2), good(4), bad(3), bad(5), good(8), good(12)}
	for i, err := range d.together(t, writes, 0) {
		writes[i].check(t, d, err)
	}
	streamtest.Want(t, "transactions", value[int64](t, d, `select count(distinct xmin::text) from tidings.comments`), 1)
}

// TestTriggerOfTheSiteRefuses checks that the message of a trigger reaches the client.
func TestTriggerOfTheSiteRefuses(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		create function public.refuse_links() returns trigger language plpgsql as $$
		begin
			raise exception 'No links, please.';
		end $$;
		create trigger refuse_links before insert on tidings.comments
			for each row when (new.body like '%://%') execute function public.refuse_links()`)
	spam := commentWriteOf("bad", "https://spam.example", "", "No links, please.")
	spam.check(t, d, spam.do(t.Context(), d))
	kind := good(0)
	kind.check(t, d, kind.do(t.Context(), d))
}

// TestQuarantine checks the writes of a user after one of them was refused.
func TestQuarantine(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	refused := func(t *testing.T, d database, n int) {
		t.Helper()
		for i := range n {
			w := commentWriteOf("bad", fmt.Sprint("spam", i), "", fmt.Sprintf("spam%d is spam", i))
			w.check(t, d, w.do(t.Context(), d))
		}
	}

	t.Run("TriesEachWriteOnce", func(t *testing.T) {
		d := db.again(t)
		refuseSpam(t, d.sql)
		const spam = 40
		ctx, stop := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		for i := range 16 {
			writing.Go(func() {
				for ctx.Err() == nil {
					if _, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: user(fmt.Sprint("u", i)), Body: "Hello"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		refused(t, d, spam)
		stop()
		writing.Wait()
		if tries := value[int64](t, d, `select last_value from public.refusals`); tries > spam+10 {
			t.Errorf("%d comments were tried %d times", spam, tries)
		}
	})
	t.Run("AllowsGoodWrites", func(t *testing.T) {
		d := db.again(t)
		refuseSpam(t, d.sql)
		refused(t, d, 1)
		sorry := commentWriteOf("bad", "I am sorry", "", "")
		sorry.check(t, d, sorry.do(t.Context(), d))
	})
	t.Run("HoldsNoPost", func(t *testing.T) {
		d := db.again(t)
		refuseSpam(t, d.sql)
		d.exec(t, `insert into tidings.users (id, name) values ('bad', 'bad')`)
		refused(t, d, 1)
		release := d.hold(t, `select from tidings.users where id = 'bad' for update`)
		waiting, renamed := make(chan error, 1), store.User{ID: "bad", Name: "Renamed"}
		go func() {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: renamed, Body: "Hello"})
			waiting <- err
		}()
		d.waits(t, 1)
		writes := []testWrite{good(0), good(4), good(8), good(12)}
		for i, err := range d.together(t, writes, 1) {
			writes[i].check(t, d, err)
		}
		streamtest.Want(t, "transactions", value[int64](t, d, `
			select count(distinct xmin::text)
			from tidings.comments
			where author_id like 'good%'`), 1)
		release()
		streamtest.Must(t, <-waiting)
	})
}

// TestTriggerOfTheSiteSkips checks that a comment that a trigger leaves out silently is an
// *InvalidError, and that its key is not stored.
func TestTriggerOfTheSiteSkips(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		create function skip_spam() returns trigger language plpgsql as $$ begin return null; end $$;
		create trigger skip_spam before insert on tidings.comments
			for each row when (new.body like 'spam%') execute function skip_spam()`)
	for _, key := range keyOrNone {
		inParallel(20, func(i int) {
			c := store.NewComment{PostID: "42", Author: user(fmt.Sprint("u", i)), Body: "Hello", IdempotencyKey: key}
			if i%2 == 0 {
				c.Body = "spam"
			}
			created, err := d.CreateComment(t.Context(), c)
			var invalid *store.InvalidError
			if i%2 == 0 && !errors.As(err, &invalid) || i%2 == 1 && (err != nil || created.ID == 0) {
				t.Errorf("%s: got %+v, %v", c.Body, created, err)
			}
		})
	}
	streamtest.Want(t, "the keys", value[int64](t, d, `select count(*) from tidings.idempotency`), 10)
}

// TestTriggerOfTheSiteChanges checks that the answer has the comment as it is stored, also
// when the request is repeated.
func TestTriggerOfTheSiteChanges(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		create function hold() returns trigger language plpgsql as $$
		begin
			new.status := 'pending';
			new.body := upper(new.body);
			return new;
		end $$;
		create trigger hold before insert on tidings.comments
			for each row when (new.body like 'hold%') execute function hold()`)
	for _, tt := range []struct{ author, body, stored, status string }{
		{"ann", "hold me", "HOLD ME", "pending"},
		{"bob", "Hello", "Hello", "published"},
	} {
		for _, key := range keyOrNone {
			c := store.NewComment{PostID: "42", Author: user(tt.author), Body: tt.body, IdempotencyKey: key}
			created, err := d.CreateComment(t.Context(), c)
			streamtest.Must(t, err)
			streamtest.Want(t, "answer", []string{created.Body, created.Status}, []string{tt.stored, tt.status})
			if key != "" {
				again, err := d.CreateComment(t.Context(), c)
				streamtest.Must(t, err)
				created.Repeated = true
				streamtest.Want(t, "repeated", again, created)
			}
		}
	}
	streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 4)
}
