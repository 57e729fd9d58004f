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
			ID: like.ID, Kind: "like", PostID: "42", Actor: bob, CreatedAt: like.CreatedAt,
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
			insert into tidings.likes (post_id, user_id)
			select '42', 'user' || g
			from generate_series(1, 11) as g`)
		d.exec(t, `update tidings.notifications set read_at = now() where id % 3 = 0`)
		for _, unread := range []bool{false, true} {
			ids := value[[]int64](t, d, `
				select array_agg(id order by id desc)
				from tidings.notifications
				where not $1 or read_at is null`, unread)
			for _, limit := range []int{1, 3, len(ids), 20} {
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
			"unread":    float64(after.Unread),
		})
	})
}
