package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// onEach adds a trigger of the site to a table.
func (d database) onEach(t *testing.T, events, table, body string) {
	t.Helper()
	d.exec(t, fmt.Sprintf(`
		create or replace function public.on_%[2]s() returns trigger language plpgsql as $f$ begin %[3]s end $f$;
		create or replace trigger site before %[1]s on tidings.%[2]s for each row execute function public.on_%[2]s()`,
		events, table, body))
}

// siteWrites are one write of each table, over the API of the store.
func siteWrites(d database, id int64) map[string]func(t *testing.T) error {
	return map[string]func(t *testing.T) error{
		"comment": func(t *testing.T) error {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
			return err
		},
		"keyed": func(t *testing.T) error {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: "key"})
			return err
		},
		"like":   func(t *testing.T) error { _, err := d.Like(t.Context(), "42", user("new")); return err },
		"unlike": func(t *testing.T) error { _, err := d.Unlike(t.Context(), "42", "bob"); return err },
		"delete": func(t *testing.T) error { return d.DeleteComment(t.Context(), id, "ann", false, nil) },
		"post":   func(t *testing.T) error { _, _, err := d.PutPost(t.Context(), store.PostUpdate{ID: "42"}); return err },
	}
}

func siteIn(t *testing.T, d database) map[string]func(t *testing.T) error {
	t.Helper()
	first := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "first"})
	_, err := d.Like(t.Context(), "42", bob)
	streamtest.Must(t, err)
	return siteWrites(d, first.ID)
}

// Whatever a trigger of the site raises is the site's refusal, with its message.
func TestSiteTrigger_Raises(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	for _, body := range []string{
		`raise exception 'not now';`,
		`raise exception 'not now' using errcode = '23505', constraint = 'comments_pkey';`,
		`raise exception 'not now' using errcode = '23503', constraint = 'comments_parent_in_same_post';`,
		`raise exception 'not now' using errcode = '22023', hint = 'later';`,
		`raise exception 'not now' using errcode = '42501';`, `raise exception 'not now' using errcode = '40001';`,
		`raise exception 'not now' using errcode = '55P03';`, `raise exception 'not now' using errcode = '57014';`,
		`raise exception 'not now' using errcode = '08006';`, `raise exception 'not now' using errcode = '53100';`,
		`raise exception 'not now' using errcode = '53300';`, `raise exception 'not now' using errcode = '08P01';`,
		`raise exception 'not now' using errcode = '25006';`, `raise exception 'not now' using errcode = '0A000';`,
		`raise exception 'not now' using errcode = 'ZZ123';`, `raise exception 'not now' using errcode = 'XX000';`,
		`perform 1/0;`, `perform from public.nothing;`, `assert false;`,
	} {
		t.Run(body, func(t *testing.T) {
			d := db.again(t)
			writes := siteIn(t, d)
			d.onEach(t, "insert or update or delete", "comments", body)
			d.onEach(t, "insert or update or delete", "likes", body)
			d.onEach(t, "insert or update or delete", "posts", body)
			for name, write := range writes {
				err := write(t)
				var invalid *store.InvalidError
				if !errors.As(err, &invalid) || invalid.Constraint != "" || strings.Contains(body, "not now") && invalid.Detail != "not now" {
					t.Errorf("%s: %v, want the site's message", name, err)
				}
			}
		})
	}
}

// A trigger of the site that leaves a write out refuses it. Of likes, the answer is what is
// stored.
func TestSiteTrigger_LeavesOut(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	writes := siteIn(t, d)
	for _, table := range []string{"comments", "likes", "posts"} {
		d.onEach(t, "insert or update or delete", table, "return null;")
	}
	for _, name := range []string{"comment", "keyed", "delete", "post"} {
		wantInvalid(t, writes[name](t), "")
	}
	likes, err := d.Like(t.Context(), "42", ann)
	streamtest.Must(t, err)
	streamtest.Want(t, "a like that is left out", likes, store.Likes{Count: 1, Liked: false})
	likes, err = d.Unlike(t.Context(), "42", "bob")
	streamtest.Must(t, err)
	streamtest.Want(t, "a like that stays", likes, store.Likes{Count: 1, Liked: true})
	likes, err = d.Like(t.Context(), "42", bob) // has been stored before
	streamtest.Must(t, err)
	streamtest.Want(t, "a repeated like", likes, store.Likes{Count: 1, Liked: true})
}

// A trigger of the site may change any column. The answer is what is stored.
func TestSiteTrigger_ChangesColumns(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `insert into tidings.users (id, name) values ('anonymous', 'A reader')`)
	d.onEach(t, "insert", "comments", `
		new.id := 1000 + new.id; new.post_id := 'moved'; new.author_id := 'anonymous'; return new;`)
	for _, key := range []string{"", "key"} {
		got := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: key})
		streamtest.Want(t, "the post", got.PostID, "moved")
		streamtest.Want(t, "the author", got.Author, store.User{ID: "anonymous", Name: "A reader"})
		streamtest.Want(t, "the stored comment", value[int](t, d, `
			select count(*) from tidings.comments where id = $1 and post_id = 'moved'`, got.ID), 1)
	}
}

// A site may alter our tables while we run: prepared statements are then made again.
func TestStore_AfterATableWasAltered(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	for n, alter := range []string{
		`alter table tidings.comments alter body type varchar(6000)`,
		`alter table tidings.users alter name type varchar(300)`,
		`alter table tidings.posts alter title type varchar(600)`,
		`alter table tidings.posts add mine text`,
		`alter table tidings.events alter topic type varchar(300)`,
		`alter table tidings.counts alter likes type integer`,
	} {
		for range 2 { // plans are prepared at the first call, and used at the second
			eachMethod(t, d.Store, func(name string, err error) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			})
		}
		if _, err := d.sql.Exec(t.Context(), alter); err != nil {
			t.Logf("%s: %v", alter, err)
		}
		eachMethod(t, d.Store, func(name string, err error) {
			if err != nil {
				t.Errorf("%d: %s after %s: %v", n, name, alter, err)
			}
		})
	}
}

// After an import with ids of its own, new comments take ids after them, and before an id
// that has none after it.
func TestStore_AfterAnImportWithIDs(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.comments (id, post_id, author_id, body)
		select id, '42', 'ann', 'imported' from generate_series(1, 50) as id
		union all
		select 9223372036854775807, '42', 'ann', 'imported'`)
	for n, key := range []string{"", "key", ""} {
		got := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: fmt.Sprint("Hello", n), IdempotencyKey: key})
		if got.ID <= 50 || got.ID > 100 {
			t.Errorf("the id is %d", got.ID)
		}
	}
}

func TestNotifications_AfterAnyID(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	for _, id := range []int64{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64} {
		_, err := d.Notifications(t.Context(), store.NotificationQuery{User: "ann", Before: id, Limit: 100})
		streamtest.Must(t, err)
		_, err = d.Comments(t.Context(), store.ListQuery{PostID: "42", After: &store.Place{ID: id}, Limit: 100})
		streamtest.Must(t, err)
	}
}

// A row of the log that cannot be read is skipped, counted, and logged once. The others
// are delivered.
func TestRead_SkipsRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()

	var report strings.Builder
	d := newDatabase(t, func(cfg *store.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&report, nil)) })
	for n := range 10 {
		streamtest.Must(t, d.Publish(t.Context(), "room:1", "n", fmt.Appendf(nil, `%d`, n)))
	}
	streamtest.Must(t, d.Publish(t.Context(), "room:1", "bad", []byte(`1`)))
	for n := range 10 {
		streamtest.Must(t, d.Publish(t.Context(), "room:1", "n", fmt.Appendf(nil, `%d`, n)))
	}
	d.exec(t, `
		create cast (bytea as jsonb) without function; -- makes data that is damaged
		update tidings.events set data = '\x00000000'::bytea::jsonb where name = 'bad'`)
	for range 2 {
		streamtest.Want(t, "events", len(d.events(t, 0)), 20)
		streamtest.Want(t, "events of the topic", len(d.events(t, 0, "room:1")), 20)
	}
	streamtest.Want(t, "skipped", d.SkippedEvents(), int64(1))
	streamtest.Want(t, "reports", strings.Count(report.String(), "skipped"), 1)
}

// tidings.publish takes data that is nested as deep as every reader can take it.
func TestPublish_Depth(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	nested := func(depth int) []byte {
		return []byte(strings.Repeat(`[{"a":`, depth/2) + strings.Repeat("[", depth%2) + strings.Repeat("]", depth%2) +
			strings.Repeat("0", 1-depth%2) + strings.Repeat("}]", depth/2))
	}
	for _, depth := range []int{1, 9_996, 9_997} {
		streamtest.Must(t, d.Publish(t.Context(), "room:1", "deep", nested(depth)))
	}
	for _, depth := range []int{9_998, 10_001, 12_000} {
		wantInvalid(t, d.Publish(t.Context(), "room:1", "deep", nested(depth)), "")
	}
	brackets := fmt.Appendf(nil, `["%s", "\\", "\"%s"]`, strings.Repeat("[", 15_000), strings.Repeat("{", 15_000))
	streamtest.Must(t, d.Publish(t.Context(), "room:1", "text", brackets))
	flat := []byte("[" + strings.TrimSuffix(strings.Repeat("[],", 12_000), ",") + "]")
	streamtest.Must(t, d.Publish(t.Context(), "room:1", "flat", flat))
	streamtest.Want(t, "events", len(d.events(t, 0)), 5)
}
