package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// readBatch bounds the rows that one transaction marks as read, so that it is short.
const readBatch = 1_000

// MarkRead marks notifications of a user as read, and returns the number of unread ones that are
// left. An id of a like stands for all likes of its target up to it. Ids that the user has no
// notification with are ignored. It returns ErrBusy if a row stays locked.
func (s *Store) MarkRead(ctx context.Context, user string, ids []int64) (unread int64, err error) {
	for {
		marked, _, err := s.markBatch(ctx, `
			select id
			from tidings.notifications
			where id = any (array(
				select n.id
				from tidings.notifications as given
				cross join lateral (
					select given.id
					where given.read_at is null
					union
					select l.id
					from tidings.notifications as l
					where given.kind = 'like' and l.kind = 'like'
						and l.user_id = given.user_id and l.post_id = given.post_id
						and coalesce(l.comment_id, 0) = coalesce(given.comment_id, 0)
						and (l.read_at is null)::integer = 1 and l.id <= given.id
				) as n
				where given.id = any ($2) and given.user_id = $1
				limit $3
			))
				and read_at is null
			order by id
			for update`, user, ids, readBatch)
		if err != nil {
			return 0, err
		}
		if marked < readBatch {
			return s.unreadOf(ctx, user)
		}
	}
}

// MarkAllRead marks all notifications that a user has now as read, and returns the number of
// unread ones, which came since. It returns ErrBusy if a row stays locked.
func (s *Store) MarkAllRead(ctx context.Context, user string) (unread int64, err error) {
	var last int64
	err = s.read(ctx, rowQuery([]any{&last}, `
		select coalesce(max(id), 0)
		from tidings.notifications
		where user_id = $1`, user))
	if err != nil {
		return 0, err
	}
	for after, marked := int64(0), int64(readBatch); marked == readBatch; {
		marked, after, err = s.markBatch(ctx, `
			select id
			from tidings.notifications
			where user_id = $1 and id > $2 and id <= $3 and read_at is null
			order by id
			limit $4
			for update`, user, after, last, readBatch)
		if err != nil {
			return 0, err
		}
	}
	return s.unreadOf(ctx, user)
}

// markBatch marks the rows that a query selects, and returns their number and the highest id.
func (s *Store) markBatch(ctx context.Context, query string, args ...any) (marked, last int64, err error) {
	err = s.write(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			with marked as (
				update tidings.notifications
				set read_at = statement_timestamp()
				where id = any (array(`+query+`))
				returning id
			)
			select count(*), coalesce(max(id), 0)
			from marked`, args...).Scan(&marked, &last)
	})
	return marked, last, err
}

// unreadOf returns the number of unread notifications of a user.
func (s *Store) unreadOf(ctx context.Context, user string) (unread int64, err error) {
	err = s.read(ctx, unreadQuery(user, &unread))
	return unread, err
}
