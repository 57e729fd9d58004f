package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Notifications are deleted this long after they were read, and this long after they were made.
const (
	readNotificationDays = 30
	notificationDays     = 180
)

// oldNotifications select up to $2 notifications that are read or made more than $1 days ago.
// The oldest notifications have the lowest ids. A row that a session has locked waits for the
// next time.
const (
	readNotifications = `
		select id
		from tidings.notifications
		where read_at < statement_timestamp() - $1::integer * interval '1 day'
		order by read_at
		limit $2
		for update skip locked`
	oldNotifications = `
		select id
		from tidings.notifications
		where id = any (array(
			select oldest.id
			from (select id, created_at from tidings.notifications order by id limit $2) as oldest
			where created_at < statement_timestamp() - $1::integer * interval '1 day'
		))
		for update skip locked`
)

// deleteOldNotifications deletes the notifications that were read 30 days ago or made 180 days
// ago, in transactions of readBatch. Users get the event of each deletion. Notifications that are
// withdrawn, or that SQL has deleted, are forgotten after 180 days: a comment that is published
// again after that time notifies again.
func (s *Store) deleteOldNotifications(ctx context.Context) error {
	for _, old := range []struct {
		query string
		days  int
	}{{readNotifications, readNotificationDays}, {oldNotifications, notificationDays}} {
		err := s.inBatches(ctx, func(tx pgx.Tx) (deleted int64, err error) {
			var ids []int64
			err = tx.QueryRow(ctx, `
				with gone as (
					delete from tidings.notifications
					where id = any (array(`+old.query+`))
					returning id
				)
				select coalesce(array_agg(id), '{}')
				from gone`, old.days, readBatch).Scan(&ids)
			if err != nil || len(ids) == 0 {
				return 0, err
			}
			_, err = tx.Exec(ctx, `delete from tidings.withdrawn where id = any ($1)`, ids) // see notifications_changed
			return int64(len(ids)), err
		})
		if err != nil {
			return err
		}
	}
	return s.inBatches(ctx, func(tx pgx.Tx) (deleted int64, err error) {
		tag, err := tx.Exec(ctx, `
			delete from tidings.withdrawn
			where id = any (array(
				select oldest.id
				from (select id, created_at from tidings.withdrawn order by id limit $2) as oldest
				where created_at < statement_timestamp() - $1::integer * interval '1 day'
			))`, notificationDays, readBatch)
		return tag.RowsAffected(), err
	})
}

// inBatches runs fn in one transaction after another until it deletes less than readBatch.
func (s *Store) inBatches(ctx context.Context, fn func(tx pgx.Tx) (deleted int64, err error)) error {
	for {
		var deleted int64
		err := s.write(ctx, func(tx pgx.Tx) (err error) {
			deleted, err = fn(tx)
			return err
		})
		if err != nil || deleted < readBatch {
			return err
		}
	}
}
