package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// afterEach adds a trigger of the site that runs after writes to a table: at the end of the
// statement, or at COMMIT.
func (d database) afterEach(t *testing.T, atCommit bool, events, table, body string) {
	t.Helper()
	kind, deferred := "create or replace trigger", ""
	if atCommit {
		kind, deferred = "create constraint trigger", "deferrable initially deferred"
	}
	d.exec(t, fmt.Sprintf(`
		create or replace function public.after_%[3]s() returns trigger language plpgsql as $f$ begin %[5]s return null; end $f$;
		%[1]s zz_site after %[2]s on tidings.%[3]s %[4]s for each row
			when (pg_trigger_depth() = 0) execute function public.after_%[3]s()`,
		kind, events, table, deferred, body))
}

// sites are the stores that make their transactions in different ways.
func sites(t *testing.T) map[string]database {
	t.Helper()
	pooled := database{dsn: storetest.Database(t)}
	pooled.sql = client(t, pooled.dsn)
	pooled.Store = open(t, storetest.NewPooler(t, pooled.dsn, 4)+"&default_query_exec_mode=cache_describe",
		func(cfg *store.Config) { cfg.ListenURL = pooled.dsn })
	return map[string]database{"InGroups": newDatabase(t), "Alone": newDatabase(t, noGroups), "Pooled": pooled}
}

// The answer to a comment is what is stored after the commit, whatever a trigger of the site
// does after the insert.
func TestSiteTrigger_AfterTheInsert(t *testing.T) {
	t.Parallel()
	for way, d := range sites(t) {
		t.Run(way, func(t *testing.T) {
			for atCommit, key := range map[bool]string{false: "", true: "key"} {
				comment := func(body string) (store.Comment, error) {
					return d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: body, IdempotencyKey: key + body})
				}
				if key == "" {
					comment = func(body string) (store.Comment, error) {
						return d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: body})
					}
				}
				d.afterEach(t, atCommit, "insert", "comments", `
					if new.body = 'gone' then delete from tidings.comments where id = new.id; end if;
					if new.body = 'held' then update tidings.comments set status = 'pending' where id = new.id; end if;
					if new.body = 'spam' then update tidings.comments set status = 'spam' where id = new.id; end if;
					if new.body = 'hidden' then update tidings.comments set status = 'deleted' where id = new.id; end if;
					if new.body = 'rude' then update tidings.comments set body = 'polite' where id = new.id; end if;`)
				_, err := comment("gone")
				wantInvalid(t, err, "")
				for body, want := range map[string]store.Comment{
					"kept":   {Status: store.StatusPublished, Body: "kept", Version: 1, Author: ann},
					"held":   {Status: store.StatusPending, Body: "held", Version: 2, Author: ann},
					"spam":   {Status: store.StatusSpam, Body: "spam", Version: 2, Author: ann},
					"hidden": {Status: store.StatusDeleted, Body: "", Version: 2},
					"rude":   {Status: store.StatusPublished, Body: "polite", Version: 2, Author: ann},
				} {
					got, err := comment(body)
					streamtest.Must(t, err)
					streamtest.Want(t, body, store.Comment{Status: got.Status, Body: got.Body, Version: got.Version, Author: got.Author}, want)
					streamtest.Want(t, body+": it has an edit time", got.EditedAt != nil, body == "rude")
				}
				d.exec(t, `drop trigger zz_site on tidings.comments`)
			}
		})
	}
}

// Many comments of one transaction are answered each with its own row.
func TestSiteTrigger_AfterTheInsertsOfAGroup(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.afterEach(t, true, "insert", "comments", `
		if new.body like '%1' then delete from tidings.comments where id = new.id; end if;
		if new.body like '%2' then update tidings.comments set status = 'pending' where id = new.id; end if;`)
	inParallel(60, func(i int) {
		key := ""
		if i%2 == 0 {
			key = fmt.Sprint("key ", i)
		}
		body := fmt.Sprint("number ", i)
		got, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: user(fmt.Sprint("u", i)), Body: body, IdempotencyKey: key})
		var invalid *store.InvalidError
		switch i % 10 {
		case 1:
			if !errors.As(err, &invalid) {
				t.Errorf("%s: %v, want a refusal", body, err)
			}
		case 2:
			streamtest.Want(t, body, got.Body+" is "+got.Status, body+" is pending")
		default:
			streamtest.Want(t, body, got.Body+" is "+got.Status, body+" is published")
		}
	})
}

// The answer to each other write is what is stored after the commit, too.
func TestSiteTrigger_AfterOtherWrites(t *testing.T) {
	t.Parallel()
	for way, d := range sites(t) {
		t.Run(way, func(t *testing.T) {
			body := func(b string) *string { return &b }
			changes := map[string]func(id int64) error{
				"edit": func(id int64) error {
					_, err := d.EditComment(t.Context(), store.CommentEdit{ID: id, By: "ann", Body: body("edited"), Window: time.Hour})
					return err
				},
				"status": func(id int64) error {
					_, err := d.SetStatus(t.Context(), id, store.StatusSpam, "mod", nil)
					return err
				},
				"pin": func(id int64) error { _, err := d.SetPin(t.Context(), id, true, "mod", nil); return err },
			}
			for _, atCommit := range []bool{false, true} {
				var ids []int64
				for range len(changes) + 1 {
					ids = append(ids, d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"}).ID)
				}
				kept := ids[len(changes)]
				d.afterEach(t, atCommit, "update", "comments", fmt.Sprintf(`
					if new.id = %d then update tidings.comments set status = 'published', body = 'Hello' where id = new.id;
					else delete from tidings.comments where id = new.id; end if;`, kept))
				for name, change := range changes {
					err := change(ids[0])
					ids = ids[1:]
					var invalid *store.InvalidError
					if !errors.As(err, &invalid) {
						t.Errorf("%s of a row that is gone then: %v, want a refusal", name, err)
					}
				}
				wantInvalid(t, d.DeleteComment(t.Context(), kept, "ann", false, nil), "")
				got, err := d.SetStatus(t.Context(), kept, store.StatusSpam, "mod", nil)
				streamtest.Must(t, err)
				streamtest.Want(t, "the status", got.Status, store.StatusPublished)
				d.exec(t, `drop trigger zz_site on tidings.comments`)

				d.afterEach(t, atCommit, "insert or update", "posts", `
					if new.id = 'gone' then delete from tidings.posts where id = new.id; end if;
					if new.id = 'open' then update tidings.posts set locked = false where id = new.id; end if;`)
				_, _, err = d.PutPost(t.Context(), store.PostUpdate{ID: "gone"})
				wantInvalid(t, err, "")
				post, _, err := d.PutPost(t.Context(), store.PostUpdate{ID: "open", Locked: store.To(true)})
				streamtest.Must(t, err)
				streamtest.Want(t, "the lock", post.Locked, false)
				d.exec(t, `drop trigger zz_site on tidings.posts`)

				d.afterEach(t, atCommit, "insert", "likes", `delete from tidings.likes where post_id = new.post_id and user_id = new.user_id;`)
				likes, err := d.Like(t.Context(), "42", ann)
				streamtest.Must(t, err)
				streamtest.Want(t, "the likes", likes, store.Likes{})
				d.exec(t, `drop trigger zz_site on tidings.likes`)
			}
		})
	}
}
