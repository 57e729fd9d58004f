package store_test

import (
	"fmt"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// annsPost is a database with post 42 of Ann's.
func annsPost(t *testing.T) database {
	t.Helper()
	d := newDatabase(t)
	_, _, err := d.PutPost(t.Context(), store.PostUpdate{ID: "42", AuthorID: store.To("ann")})
	streamtest.Must(t, err)
	return d
}

func notifications(t *testing.T, d database, q store.NotificationQuery) store.NotificationList {
	t.Helper()
	list, err := d.Notifications(t.Context(), q)
	streamtest.Must(t, err)
	return list
}

func TestNotifications(t *testing.T) {
	t.Parallel()

	t.Run("TellWhatOthersDid", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		root := d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello Bob", ParentID: &root.ID})
		_, err := d.Like(t.Context(), "42", bob)
		streamtest.Must(t, err)
		_, err = d.Like(t.Context(), "42", ann) // one's own post
		streamtest.Must(t, err)

		anns := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 10})
		streamtest.Want(t, "Ann's unread", anns.Unread, 2)
		like, comment := anns.Notifications[0], anns.Notifications[1]
		streamtest.Want(t, "the newest", like, store.Notification{
			ID: like.ID, Kind: "like", PostID: "42", Actor: bob, Count: 1, CreatedAt: like.CreatedAt,
		})
		streamtest.Want(t, "the oldest", comment, store.Notification{
			ID: comment.ID, Kind: "comment", PostID: "42", CommentID: &root.ID, Actor: bob, CreatedAt: comment.CreatedAt,
		})
		bobs := notifications(t, d, store.NotificationQuery{User: "bob", Limit: 10})
		streamtest.Want(t, "Bob's unread", bobs.Unread, 1)
		streamtest.Want(t, "Bob's kind", bobs.Notifications[0].Kind, "reply")
	})

	t.Run("AreEmptyForAStranger", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		streamtest.Want(t, "the list", notifications(t, d, store.NotificationQuery{User: "bob", Limit: 10}),
			store.NotificationList{Notifications: []store.Notification{}, Cursor: d.head(t)})
	})

	t.Run("PagesCoverEachOnce", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		d.exec(t, `
			insert into tidings.comments (id, post_id, author_id, body)
			select g, '42', case when g < 9 then 'ann' else 'bob' end, 'x'
			from generate_series(1, 20) as g`)
		d.exec(t, `
			insert into tidings.likes (post_id, comment_id, user_id)
			select '42', nullif(g % 9, 0), 'user' || g
			from generate_series(1, 40) as g`)
		d.exec(t, `update tidings.notifications set read_at = now() where id % 3 = 0 or comment_id < 3`)
		for _, unread := range []bool{false, true} {
			ids := value[[]int64](t, d, `
				select array_agg(id order by id desc)
				from (
					select max(id) as id, bool_or(read_at is null) as unread
					from tidings.notifications
					where user_id = 'ann'
					group by post_id, comment_id, kind
				) as n
				where not $1 or unread`, unread)
			for _, limit := range []int{1, 3, len(ids), 50} {
				var got []int64
				q := store.NotificationQuery{User: "ann", Unread: unread, Limit: limit}
				for more := true; more; {
					list := notifications(t, d, q)
					for _, n := range list.Notifications {
						got = append(got, n.ID)
					}
					more, q.Before = list.More, got[len(got)-1]
				}
				streamtest.Want(t, fmt.Sprintf("pages of %d, unread %v", limit, unread), got, ids)
			}
		}
	})

	t.Run("FoldLikes", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		d.exec(t, `
			insert into tidings.comments (id, post_id, author_id, body) values (1, '42', 'ann', 'x');
			insert into tidings.likes (post_id, comment_id, user_id)
			values ('42', 1, 'cy'), ('42', 1, 'ann'), ('42', null, 'cy'), ('42', 1, 'dee'), ('42', 1, 'bob')`)
		all := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 10})
		streamtest.Want(t, "unread", all.Unread, 2)
		streamtest.Want(t, "the number of notifications", len(all.Notifications), 2)
		comments, posts := all.Notifications[0], all.Notifications[1]
		streamtest.Want(t, "likes of the comment", comments.Count, 3)
		streamtest.Want(t, "the newest", comments.Actor.ID, "bob")
		streamtest.Want(t, "likes of the post", posts.Count, 1)

		unread, err := d.MarkRead(t.Context(), "ann", []int64{comments.ID, comments.ID, 404})
		streamtest.Must(t, err)
		streamtest.Want(t, "unread then", unread, 1)
		left := notifications(t, d, store.NotificationQuery{User: "ann", Unread: true, Limit: 10})
		streamtest.Want(t, "those left", left.Notifications, []store.Notification{posts})

		d.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('42', 1, 'eve')`)
		again := notifications(t, d, store.NotificationQuery{User: "ann", Unread: true, Limit: 1})
		streamtest.Want(t, "unread with another like", again.Unread, 2)
		streamtest.Want(t, "the number of likes", again.Notifications[0].Count, 4)
		streamtest.Want(t, "read", again.Notifications[0].ReadAt, nil)
		d.exec(t, `delete from tidings.likes where user_id = 'eve'`)
		gone := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 1})
		streamtest.Want(t, "the newest without eve", gone.Notifications[0].ID, comments.ID)
		streamtest.Want(t, "unread without eve", gone.Unread, 1)
	})

	t.Run("AreMarkedAsReadOnlyByTheirUser", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		d.exec(t, `insert into tidings.likes (post_id, user_id) values ('42', 'cy')`)
		id := value[int64](t, d, `select id from tidings.notifications`)
		_, err := d.MarkRead(t.Context(), "bob", []int64{id})
		streamtest.Must(t, err)
		_, err = d.MarkAllRead(t.Context(), "bob")
		streamtest.Must(t, err)
		streamtest.Want(t, "Ann's unread", notifications(t, d, store.NotificationQuery{User: "ann", Limit: 10}).Unread, 1)
	})

	t.Run("AreMarkedAsReadInBatches", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		d.exec(t, `
			insert into tidings.notifications (user_id, kind, post_id, actor_id)
			select 'ann', case when g % 2 = 0 then 'like' else 'comment' end, '42', 'user' || g
			from generate_series(1, 4400) as g`)
		before := d.head(t)
		newest := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 1}).Notifications[0]
		unread, err := d.MarkRead(t.Context(), "ann", []int64{newest.ID})
		streamtest.Must(t, err)
		streamtest.Want(t, "unread without the likes", unread, 2200)
		unread, err = d.MarkAllRead(t.Context(), "ann")
		streamtest.Must(t, err)
		streamtest.Want(t, "unread", unread, 0)
		streamtest.Want(t, "unread rows", value[int](t, d, `select count(*) from tidings.notifications where read_at is null`), 0)
		events := d.events(t, before.Position, "user:ann")
		streamtest.Want(t, "the last event", decode[map[string]any](t, events[len(events)-1]), map[string]any{"read": nil, "unread": float64(0)})
		streamtest.Want(t, "the number of events", len(events), 6) // three batches of each
	})

	t.Run("GoOnInTheStreamFromTheListsCursor", func(t *testing.T) {
		t.Parallel()
		d := annsPost(t)
		d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Before"})
		list := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 10})
		c := d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "After"})
		events := d.events(t, list.Cursor.Position, "user:ann")
		streamtest.Want(t, "the events", len(events), 1)
		after := notifications(t, d, store.NotificationQuery{User: "ann", Limit: 1})
		newest := after.Notifications[0]
		streamtest.Want(t, "the event's data", decode[map[string]any](t, events[0]), map[string]any{
			"id": fmt.Sprint(newest.ID), "kind": "comment", "postId": "42", "commentId": fmt.Sprint(c.ID),
			"actor":     map[string]any{"id": "bob", "name": "Bob", "avatarUrl": *bob.AvatarURL},
			"createdAt": newest.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000Z"),
			"readAt":    nil,
			"unread":    float64(after.Unread),
		})
	})
}
