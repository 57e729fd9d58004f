package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Notification tells a user what another user, the actor, has done. The likes of one post
// or comment are one notification: it is that of the newest like, and it is read when all are.
type Notification struct {
	ID        int64
	Kind      string // comment, reply, mention or like
	PostID    string
	CommentID *int64 // nil for likes of a post
	Actor     User
	Count     int64 // of kind like: the number of other users who like the post or comment; else 0
	More      bool  // the thread has reached its limit, so others may have followed untold
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
// only those that are unread, newest first. Of the likes of one target, the newest stands for
// all, unread if one is. Both are single lookups in the index notifications_folded.
const selectNotifications = `
	select n.id, n.kind, n.post_id, n.comment_id,
		n.actor_id, coalesce(u.name, n.actor_id), u.avatar_url,
		case when n.kind = 'like' then greatest(1, coalesce(c.likes, 0) - own.likes) else 0 end,
		n.more, n.created_at,
		case when f.unread is null then n.read_at end
	from tidings.notifications n
	left join tidings.users u on u.id = n.actor_id
	cross join lateral (
		select
			(
				select max(l.id)
				from tidings.notifications l
				where n.kind = 'like' and l.kind = 'like'
					and l.user_id = n.user_id and l.post_id = n.post_id and coalesce(l.comment_id, 0) = coalesce(n.comment_id, 0)
					and (l.read_at is null)::integer = 1
			) as unread,
			(
				select max(l.id)
				from tidings.notifications l
				where n.kind = 'like' and l.kind = 'like'
					and l.user_id = n.user_id and l.post_id = n.post_id and coalesce(l.comment_id, 0) = coalesce(n.comment_id, 0)
					and (l.read_at is null)::integer = 0
			) as read
	) as f
	left join lateral (
		select likes
		from tidings.counts
		where n.kind = 'like' and target = coalesce('comment:' || n.comment_id, 'post:' || n.post_id)
		order by position desc
		limit 1
	) as c on true
	left join lateral (
		select count(*) as likes
		from (
			select from tidings.likes l
			where n.kind = 'like' and n.comment_id is null
				and l.post_id = n.post_id and l.comment_id is null and l.user_id = n.user_id
			union all
			select from tidings.likes l
			where n.kind = 'like' and l.post_id = n.post_id and l.comment_id = n.comment_id and l.user_id = n.user_id
		) as l
	) as own on true
	where n.user_id = $1
		and ($2::bigint = 0 or n.id < $2)
		and (n.kind <> 'like' or n.id = greatest(f.unread, f.read))
		and not ($3 and n.read_at is not null and f.unread is null)
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
		unreadQuery(q.User, &list.Unread),
		page,
	)
	if err != nil {
		return err
	}
	list.Cursor = state.HeadCursor()
	return nil
}

// unreadQuery reads the number of unread notifications of a user.
func unreadQuery(user string, into *int64) readQuery {
	return rowQuery([]any{into}, `
		select coalesce(max(unread), 0)
		from (
			select unread
			from tidings.counts
			where target = 'user:' || $1
			order by position desc
			limit 1
		) as c`, user)
}

func scanNotification(row pgx.CollectableRow) (n Notification, err error) {
	err = row.Scan(&n.ID, &n.Kind, &n.PostID, &n.CommentID,
		&n.Actor.ID, &n.Actor.Name, &n.Actor.AvatarURL, &n.Count, &n.More, &n.CreatedAt, &n.ReadAt)
	return n, err
}
