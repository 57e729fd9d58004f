package store_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// damage destroys the long values of a table, as a broken disk does. The rows stay, and
// reading the values fails.
func (d database) damage(t *testing.T, table string) {
	t.Helper()
	if !value[bool](t, d, `select exists (select from pg_available_extensions where name = 'pg_surgery')`) {
		t.Skip("the extension pg_surgery, which damages rows, is not installed")
	}
	d.exec(t, fmt.Sprintf(`
		create extension if not exists pg_surgery;
		do $$
		declare
			toast regclass := (select reltoastrelid from pg_class where oid = '%[1]s'::regclass);
			damaged tid[];
		begin
			execute format('select array_agg(ctid) from %%s', toast) into damaged;
			perform heap_force_kill(toast, damaged);
		end
		$$`, table))
}

// long is a text that Postgres does not store in the row.
func long(t *testing.T, d database) string {
	t.Helper()
	return value[string](t, d, `
		select string_agg(substr(md5(n::text), 1, 20), '' order by n)
		from generate_series(1, 240) as n`)
}

// A comment that cannot be read is left out of lists, counted and logged once. All others
// are listed, on all pages.
func TestComments_LeaveOutRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()

	var report strings.Builder
	d := newDatabase(t, func(cfg *store.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&report, nil)) })
	var want []string
	for n := range 10 {
		body := fmt.Sprint("comment ", n)
		if n == 4 || n == 5 {
			body = long(t, d)
		} else {
			want = append(want, body)
		}
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: body})
	}
	d.damage(t, "tidings.comments")
	for _, limit := range []int{1, 2, 3, 100} {
		var got []string
		q := store.ListQuery{PostID: "42", Sort: store.Oldest, Limit: limit}
		for more := true; more; {
			page, err := d.Comments(t.Context(), q)
			streamtest.Must(t, err)
			streamtest.Want(t, "the counts", page.Post.Counts, store.Counts{Comments: 10})
			for _, c := range page.Comments {
				got = append(got, c.Body)
				q.After = &store.Place{At: c.CreatedAt, ID: c.ID}
			}
			more = page.More
		}
		streamtest.Want(t, fmt.Sprint("comments of pages of ", limit), got, want)
	}
	streamtest.Want(t, "rows that were left out", d.SkippedRows(), int64(2))
	streamtest.Want(t, "reports", strings.Count(report.String(), "is left out"), 2)

	events := named(d.events(t, 0, "post:42"), "new-comment")
	streamtest.Want(t, "events of the others", len(events), len(want))
	streamtest.Want(t, "events that were skipped", d.SkippedEvents(), int64(2))
}

// A notification whose actor cannot be read is left out, and the others are listed.
func TestNotifications_LeaveOutRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `alter table tidings.users alter avatar_url set storage external`)
	d.exec(t, `insert into tidings.posts (id, author_id) values ('42', 'owner')`)
	for _, by := range []string{"a", "b", "c"} {
		d.comment(t, store.NewComment{PostID: "42", Author: user(by), Body: "Hello"})
	}
	d.exec(t, `alter table tidings.users drop constraint if exists users_avatar_url_length`)
	d.exec(t, `update tidings.users set avatar_url = 'https://example.org/' || $1 where id = 'b'`, long(t, d))
	d.damage(t, "tidings.users")
	for _, limit := range []int{1, 100} {
		var got []string
		q := store.NotificationQuery{User: "owner", Limit: limit}
		for more := true; more; {
			page, err := d.Notifications(t.Context(), q)
			streamtest.Must(t, err)
			for _, n := range page.Notifications {
				got, q.Before = append(got, n.Actor.ID), n.ID
			}
			more = page.More
		}
		streamtest.Want(t, fmt.Sprint("actors of pages of ", limit), strings.Join(got, " "), "c a")
	}
	streamtest.Want(t, "rows that were left out", d.SkippedRows(), int64(1))
}

// A cause that concerns many rows, such as a damaged index, is a fault of the read: after a bounded
// number of rows none is skipped, and all others are delivered after the repair.
func TestRead_SkipsNotAllRows(t *testing.T) {
	t.Parallel()
	const many, most = 40, 32
	d := newDatabase(t)
	d.exec(t, `insert into tidings.comments (post_id, author_id, body) select '42', 'ann', 'Hello' from generate_series(1, $1)`, many)
	d.exec(t, ` -- errors of functions with other names are those of the site
		create function tidings.head(int) returns text language plpgsql as
			$f$ begin raise exception 'index "users_pkey" contains unexpected zero page at block 3' using errcode = 'XX002'; end $f$;
		alter table tidings.users rename to users_kept;
		create view tidings.users as select id, tidings.head(1) as name, avatar_url from tidings.users_kept`)
	// Each read that fails costs a connection: few of them look for the row in halves.
	read := func(limit int) (events int, err error) {
		for query := (stream.Query{Limit: limit}); ; {
			batch, err := d.Read(t.Context(), query)
			if err != nil {
				return events, err
			}
			events += len(named(batch.Events, "new-comment"))
			if query.After = batch.Through; batch.Through >= batch.State.Head {
				return events, nil
			}
		}
	}
	for range 2 {
		_, err := read(2)
		streamtest.WantErr(t, err, store.ErrUnavailable)
		_, err = d.Comments(t.Context(), store.ListQuery{PostID: "42", Flat: true, Limit: 10})
		if err == nil {
			t.Error("a list without its rows is returned")
		}
		streamtest.Want(t, "events that were skipped", d.SkippedEvents(), int64(most))
		streamtest.Want(t, "rows that were left out of lists", d.SkippedRows(), int64(0))
	}
	d.exec(t, `drop view tidings.users; alter table tidings.users_kept rename to users`)
	events, err := read(50)
	streamtest.Must(t, err)
	streamtest.Want(t, "the events after the repair", events, many)
}
