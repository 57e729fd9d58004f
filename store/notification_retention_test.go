package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Read notifications go after 30 days and all others after 180, with the event of each
// deletion. A row that a session has locked waits for the next time.
func TestRetain_DeletesOldNotifications(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.posts (id, author_id) values ('42', 'ann');
		insert into tidings.comments (id, post_id, author_id, body)
		select g, '42', 'bob', 'x'
		from generate_series(1, 8) as g`)
	d.exec(t, `update tidings.comments set status = 'spam' where id > 6`)
	d.exec(t, `
		update tidings.notifications set read_at = now() - interval '29 days' where comment_id = 1;
		update tidings.notifications set read_at = now() - interval '31 days' where comment_id in (2, 5);
		update tidings.notifications set created_at = now() - interval '179 days' where comment_id = 3;
		update tidings.notifications set created_at = now() - interval '181 days' where comment_id in (4, 6);
		update tidings.withdrawn set created_at = now() - interval '181 days' where comment_id = 8`)
	before := d.head(t)

	trim := func(left ...int64) {
		t.Helper()
		stop := run(t, func(ctx context.Context) error { return d.Retain(ctx, store.Retention{Age: time.Hour, Rows: 1000}) })
		streamtest.Eventually(t, "old notifications are gone", func() bool {
			return slices.Equal(left, value[[]int64](t, d, `
				select array_agg(comment_id order by comment_id)
				from (
					select comment_id from tidings.notifications
					union all
					select comment_id from tidings.withdrawn
				) as n`))
		})
		stop()
	}
	tx, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = tx.Exec(t.Context(), `select from tidings.notifications where comment_id in (5, 6) for update`)
	streamtest.Must(t, err)
	trim(1, 3, 5, 6, 7)
	streamtest.Must(t, tx.Rollback(t.Context()))
	trim(1, 3, 7)
	events := d.events(t, before.Position, "user:ann")
	last := decode[map[string]any](t, events[len(events)-1])
	streamtest.Want(t, "unread in the last event", last["unread"], any(float64(1)))
}

// A transaction that deletes a post removes its counters, and may stay open. Retention leaves
// these counters out.
func TestTrim_DoesNotWaitForADeletedPost(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	for range 3 {
		d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
	}
	d.exec(t, `update tidings.events set created_at = now() - interval '2 hours'`)
	tx, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = tx.Exec(t.Context(), `delete from tidings.posts where id = '42'`)
	streamtest.Must(t, err)
	removed, err := d.Trim(t.Context(), store.Retention{Age: time.Hour, Rows: 1000})
	streamtest.Must(t, err)
	streamtest.Want(t, "removed events", removed > 0, true)
	streamtest.Must(t, tx.Commit(t.Context()))
	streamtest.Want(t, "counters of the post", value[int](t, d, `select count(*) from tidings.counts where target = 'post:42'`), 0)
}
