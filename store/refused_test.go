package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// refuseSpam has the site refuse comments by a trigger of its own, which counts them.
func refuseSpam(tb testing.TB, dsn string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(tb.Context()))
	_, err = conn.Exec(tb.Context(), `
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

// A deed is one write of a test's, and what the database has against it.
type deed struct {
	do      func(ctx context.Context, d database) error
	traces  string // a query that counts what it has written
	refused string // part of the error's detail; empty: it is committed
}

func commentDeed(name, body, key, refused string) deed {
	return deed{
		do: func(ctx context.Context, d database) error {
			_, err := d.CreateComment(ctx, store.NewComment{PostID: "42", Author: user(name), Body: body, IdempotencyKey: key})
			return err
		},
		traces:  fmt.Sprintf(`select count(*) from tidings.events where name = 'new-comment' and data -> 'author' ->> 'id' = '%s'`, name),
		refused: refused,
	}
}

// good is a write of each kind in turn; bad is one that is refused, each with words of
// its own if the database has any.
func good(i int) deed {
	name := fmt.Sprint("good", i)
	switch i % 4 {
	case 0:
		return commentDeed(name, "Hello", "", "")
	case 1:
		return commentDeed(name, "Hello", "key", "")
	case 2:
		return deed{
			do:     func(ctx context.Context, d database) error { _, err := d.Like(ctx, "42", user(name)); return err },
			traces: fmt.Sprintf(`select count(*) from tidings.likes where user_id = '%s'`, name),
		}
	}
	return deed{
		do:     func(ctx context.Context, d database) error { return d.Publish(ctx, "room:"+name, "news", []byte(`{}`)) },
		traces: fmt.Sprintf(`select count(*) from tidings.events where topic = 'room:%s'`, name),
	}
}

func bad(i int) deed {
	name := fmt.Sprint("bad", i)
	switch i % 6 {
	case 0:
		return commentDeed(name, "spam"+name, "", "spam"+name+" is spam")
	case 1:
		return commentDeed(name, "spam"+name, "key", "spam"+name+" is spam")
	case 2:
		return commentDeed(name, "nul\x00", "", "character")
	case 3:
		return commentDeed(name, strings.Repeat("x", store.MaxBodyRunes+1), "", "comments_body_length")
	case 4:
		return deed{
			do:      func(ctx context.Context, d database) error { _, err := d.Like(ctx, "42", user(name+" ")); return err },
			traces:  fmt.Sprintf(`select count(*) from tidings.likes where user_id = '%s '`, name),
			refused: "users_id_grammar",
		}
	}
	return deed{
		do:      func(ctx context.Context, d database) error { return d.Publish(ctx, name, "news", []byte(`{}`)) },
		traces:  fmt.Sprintf(`select count(*) from tidings.events where topic = '%s'`, name),
		refused: "invalid topic '" + name + "'",
	}
}

// together has the deeds wait in the queue until all are there, and returns what became
// of each. So many sessions wait for a lock already.
func (d database) together(t *testing.T, deeds []deed, waiting int) []error {
	t.Helper()
	release := d.hold(t, `lock table tidings.turn in exclusive mode`)
	errs := make([]error, len(deeds)+1)
	var doing sync.WaitGroup
	doing.Go(func() { errs[len(deeds)] = d.Publish(t.Context(), "room:first", "news", []byte(`{}`)) })
	d.waits(t, waiting+1) // it alone is in the transaction, and keeps the next waiting
	for i, deed := range deeds {
		doing.Go(func() { errs[i] = deed.do(t.Context(), d) })
	}
	streamtest.Eventually(t, "all wait for the next transaction", func() bool { return d.GroupStats().Waiting == len(deeds) })
	release()
	doing.Wait()
	streamtest.Must(t, errs[len(deeds)])
	return errs[:len(deeds)]
}

func (deed deed) check(t *testing.T, d database, err error) {
	t.Helper()
	var invalid *store.InvalidError
	switch {
	case deed.refused == "":
		streamtest.Must(t, err)
		streamtest.Want(t, deed.traces, value[int64](t, d, deed.traces), 1)
	case !errors.As(err, &invalid) || !strings.Contains(invalid.Detail, deed.refused):
		t.Errorf("got %v, want an error about %q", err, deed.refused)
	default:
		streamtest.Want(t, deed.traces, value[int64](t, d, deed.traces), 0)
	}
}

// A transaction that the database refuses costs no write of others' its place in it.
func TestRefusedGroup(t *testing.T) {
	t.Parallel()

	for name, deeds := range map[string][]deed{
		"OneOnly":        {bad(0)},
		"OneOfTwo":       {good(0), bad(5)},
		"OneOfEachKind":  mixed(40, 6),
		"SeveralOfMany":  mixed(150, 20),
		"AllButOne":      mixed(1, 30),
		"All":            mixed(0, 30),
		"NoneIsAGroup":   mixed(60, 0),
		"MoreThanOneHas": mixed(300, 7),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			refuseSpam(t, d.dsn)
			for i, err := range d.together(t, deeds, 0) {
				deeds[i].check(t, d, err)
			}
			streamtest.Want(t, "repaired counts", value[int64](t, d, `select tidings.recount()`), 0)
		})
	}

	t.Run("RemembersTheKeysOfGoodWritesAlone", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		refuseSpam(t, d.dsn)
		deeds := []deed{good(1), bad(1), good(5), bad(0)}
		d.together(t, deeds, 0)
		for _, i := range []int{0, 2} { // again
			deeds[i].check(t, d, deeds[i].do(t.Context(), d))
		}
		afterwards := commentDeed("bad1", "I am sorry", "key", "")
		afterwards.check(t, d, afterwards.do(t.Context(), d))
	})
}

// mixed are so many good and bad deeds, in some order.
func mixed(goods, bads int) (deeds []deed) {
	for i := range goods {
		deeds = append(deeds, good(i))
	}
	for i := range bads {
		deeds = append(deeds, bad(i))
	}
	rand.Shuffle(len(deeds), func(i, j int) { deeds[i], deeds[j] = deeds[j], deeds[i] })
	return deeds
}

// What the database may refuse for what is in it has no group made in parts even once.
func TestWhatIsInDoubtIsWrittenApart(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	deeds := []deed{good(0), bad(2), good(4), bad(3), bad(5), good(8), good(12)}
	for i, err := range d.together(t, deeds, 0) {
		deeds[i].check(t, d, err)
	}
	streamtest.Want(t, "transactions", value[int64](t, d, `select count(distinct xmin::text) from tidings.comments`), 1)
}

// A trigger of the site has the last word, and its words reach the client.
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
	spam := commentDeed("bad", "https://spam.example", "", "No links, please.")
	spam.check(t, d, spam.do(t.Context(), d))
	kind := good(0)
	kind.check(t, d, kind.do(t.Context(), d))
}

// Whoever is refused again and again has no group made in parts for it.
func TestWhoIsRefusedIsWrittenApart(t *testing.T) {
	t.Parallel()

	refused := func(t *testing.T, d database, n int) {
		t.Helper()
		for i := range n {
			deed := commentDeed("bad", fmt.Sprint("spam", i), "", fmt.Sprintf("spam%d is spam", i))
			deed.check(t, d, deed.do(t.Context(), d))
		}
	}

	t.Run("AndTriedOnce", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		refuseSpam(t, d.dsn)
		const spam = 100
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
	t.Run("AndMayWriteWhatIsGood", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		refuseSpam(t, d.dsn)
		refused(t, d, 1)
		sorry := commentDeed("bad", "I am sorry", "", "")
		sorry.check(t, d, sorry.do(t.Context(), d))
	})
	t.Run("AndKeepsNobodyFromAPost", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		refuseSpam(t, d.dsn)
		d.exec(t, `insert into tidings.users (id, name) values ('bad', 'bad')`)
		refused(t, d, 1)
		release := d.hold(t, `select from tidings.users where id = 'bad' for update`)
		waiting, renamed := make(chan error, 1), store.User{ID: "bad", Name: "Renamed"}
		go func() {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: renamed, Body: "Hello"})
			waiting <- err
		}()
		d.waits(t, 1)
		deeds := []deed{good(0), good(4), good(8), good(12)}
		for i, err := range d.together(t, deeds, 1) {
			deeds[i].check(t, d, err)
		}
		streamtest.Want(t, "transactions", value[int64](t, d, `
			select count(distinct xmin::text)
			from tidings.comments
			where author_id like 'good%'`), 1)
		release()
		streamtest.Must(t, <-waiting)
	})
}

// A trigger of the site's may leave a comment out without a word: nobody is told that it
// is there, and no key remembers it.
func TestKeptOut(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		create function keep_out() returns trigger language plpgsql as $$ begin return null; end $$;
		create trigger keep_out before insert on tidings.comments
			for each row when (new.body like 'spam%') execute function keep_out()`)
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

// What is answered is what stands in the table, also when the request is repeated.
func TestComment_AsTheSiteChangedIt(t *testing.T) {
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
				streamtest.Want(t, "repeated", again, created)
			}
		}
	}
	streamtest.Want(t, "comments", value[int64](t, d, `select count(*) from tidings.comments`), 4)
}
