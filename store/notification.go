package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Notification tells a user what another user, the actor, has done.
type Notification struct {
	ID        int64
	Kind      string // comment, reply or like
	PostID    string
	CommentID *int64 // nil for a like
	Actor     User
	CreatedAt time.Time
	ReadAt    *time.Time // nil: not read yet
}

// A NotificationQuery asks for one page of the notifications of a user, newest first.
type NotificationQuery struct {
	User   string
	Unread bool  // only those not read yet
	Before int64 // last id of the page before; 0 for the first page
	Limit  int   // largest number of notifications of the page
}

// A NotificationList is a page of notifications with the number of unread ones and a
// cursor, all from one snapshot: a stream of the user's topic from the cursor neither
// misses nor repeats an event.
type NotificationList struct {
	Notifications []Notification
	More          bool  // another page follows
	Unread        int64 // number of all unread notifications of the user
	Cursor        stream.Cursor
}

// selectNotifications selects the notifications of user $1 with ids below $2 (0: all), $3:
// only those that are unread, newest first.
const selectNotifications = `
	select n.id, n.kind, n.post_id, n.comment_id,
		n.actor_id, coalesce(u.name, n.actor_id), u.avatar_url,
		n.created_at, n.read_at
	from tidings.notifications n
	left join tidings.users u on u.id = n.actor_id
	where n.user_id = $1
		and ($2::bigint = 0 or n.id < $2)
		and not ($3 and n.read_at is not null)
	order by n.id desc
	limit $4::bigint`

// Notifications returns one page. A row that cannot be read is left out: it is counted by
// [Store.SkippedRows] and logged once.
func (s *Store) Notifications(ctx context.Context, q NotificationQuery) (list NotificationList, err error) {
	args := []any{q.User, q.Before, q.Unread, q.Limit + 1}
	err = s.readNotifications(ctx, q, &list, readQuery{selectNotifications, args, func(rows pgx.Rows) (err error) {
		list.Notifications, err = pgx.CollectRows(rows, scanNotification)
		return err
	}})
	if isOfRow(err) {
		list, err = s.notificationsOneByOne(ctx, q)
	}
	if err != nil {
		return NotificationList{}, err
	}
	if len(list.Notifications) > q.Limit {
		list.Notifications, list.More = list.Notifications[:q.Limit], true
	}
	return list, nil
}

// notificationsOneByOne reads a page of which a row cannot be read: first the ids of the
// notifications, and then each notification.
func (s *Store) notificationsOneByOne(ctx context.Context, q NotificationQuery) (list NotificationList, err error) {
	for {
		var ids []int64
		err := s.readNotifications(ctx, q, &list, readQuery{`
			select p.id
			from (` + selectNotifications + `) as p (id)`,
			[]any{q.User, q.Before, q.Unread, q.Limit + 1}, func(rows pgx.Rows) (err error) {
				ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
				return err
			}})
		if err != nil {
			return list, err
		}
		if list.More = len(ids) > q.Limit; list.More {
			ids = ids[:q.Limit]
		}
		for _, id := range ids {
			err := s.read(ctx, readQuery{selectNotifications, []any{q.User, id + 1, q.Unread, 1}, func(rows pgx.Rows) error {
				found, err := pgx.CollectRows(rows, scanNotification)
				if len(found) == 1 && found[0].ID == id {
					list.Notifications = append(list.Notifications, found[0])
				}
				return err
			}})
			if err = s.skipRow(ctx, "notifications", id, err); err != nil {
				return list, err
			}
		}
		if len(list.Notifications) > 0 || !list.More { // a page that is not the last one has a notification
			return list, nil
		}
		q.Before = ids[len(ids)-1]
	}
}

// readNotifications reads a list and the number of unread notifications, in one snapshot.
func (s *Store) readNotifications(ctx context.Context, q NotificationQuery, list *NotificationList, page readQuery) error {
	var state stream.State
	err := s.read(ctx,
		stateQuery(&state),
		rowQuery([]any{&list.Unread}, `
			select coalesce(max(unread), 0)
			from (
				select unread
				from tidings.counts
				where target = 'user:' || $1
				order by position desc
				limit 1
			) as c`, q.User),
		page,
	)
	if err != nil {
		return err
	}
	list.Cursor = state.HeadCursor()
	return nil
}

func scanNotification(row pgx.CollectableRow) (n Notification, err error) {
	err = row.Scan(&n.ID, &n.Kind, &n.PostID, &n.CommentID,
		&n.Actor.ID, &n.Actor.Name, &n.Actor.AvatarURL, &n.CreatedAt, &n.ReadAt)
	return n, err
}
