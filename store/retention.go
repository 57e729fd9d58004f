package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retention bounds the log. Events past one of the bounds are deleted, oldest first. A
// reader whose cursor is older than the oldest event gets a gap.
type Retention struct {
	// Age is how long an event is kept; at least MinimumAge.
	Age time.Duration
	// Rows is the largest number of events. Events younger than MinimumAge are kept even
	// beyond it, so that a reader that was away for a short time can resume.
	Rows int64
}

// MinimumAge is the least age at which an event is deleted.
const MinimumAge = 15 * time.Minute

const (
	// trimEvery is the time between two trims.
	trimEvery = time.Minute
	// trimBatch bounds the rows that one transaction deletes, so that the transaction is
	// short and delays no other one for long.
	trimBatch = 5_000
)

// Retain deletes old events, notifications and signals, and expired idempotency keys, once a minute
// until ctx ends, then returns nil. All instances may run it: only one of them deletes events at a time.
// It logs and counts errors, and continues.
func (s *Store) Retain(ctx context.Context, keep Retention) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		removed, err := s.Trim(ctx, keep)
		if err == nil {
			err = errors.Join(s.deleteExpiredKeys(ctx), s.deleteOldSignals(ctx), s.deleteOldNotifications(ctx))
		}
		if ctx.Err() != nil {
			return nil
		}
		s.retention.Note(ctx, err)
		if err == nil && removed > 0 {
			s.logger.LogAttrs(ctx, slog.LevelInfo, "log trimmed", slog.Int64("events", removed))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Trim deletes the events past the bounds, once, and returns how many it has deleted. It
// deletes nothing while another instance trims.
func (s *Store) Trim(ctx context.Context, keep Retention) (removed int64, err error) {
	for {
		n, err := s.trimBatch(ctx, keep)
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// trimBatch deletes up to trimBatch of the oldest events, but none after the first event
// that stays, so that the deleted events are always the beginning of the log. A trigger on
// the table raises the floor.
func (s *Store) trimBatch(ctx context.Context, keep Retention) (removed int64, err error) {
	err = s.write(ctx, func(tx pgx.Tx) error {
		var floor int64
		err := tx.QueryRow(ctx, `
			select position
			from tidings.floor
			for update skip locked`,
		).Scan(&floor)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // another instance trims
		}
		if err != nil {
			return err
		}
		deleted, err := tx.Exec(ctx, `
			with oldest as (
				select position, created_at
				from tidings.events
				where position > $5 -- the index may still have entries of deleted rows
				order by position
				limit $4
			),
			stays as (
				select min(position) as position
				from oldest
				where created_at >= statement_timestamp() - $1::interval
					-- Positions have few holes, so a range of n positions has about n events, never more.
					and not (position <= (select max(position) from tidings.events) - $3
						and created_at < statement_timestamp() - $2::interval)
			)
			delete from tidings.events
			using oldest, stays
			where events.position = oldest.position
				and (stays.position is null or oldest.position < stays.position)`,
			max(keep.Age, MinimumAge), MinimumAge, keep.Rows, trimBatch, floor)
		if err != nil || deleted.RowsAffected() == 0 {
			return err
		}
		removed = deleted.RowsAffected()
		return trimCounts(ctx, tx, floor)
	})
	return removed, err
}

// trimCounts deletes the rows of tidings.counts that a newer row has replaced, for each
// target that has a row between the old floor and the new one.
func trimCounts(ctx context.Context, tx pgx.Tx, floor int64) error {
	_, err := tx.Exec(ctx, `
		with passed as (
			select distinct target
			from tidings.counts
			where position > $1
				and position <= (select position from tidings.floor)
		)
		delete from tidings.counts
		where ctid = any (array(
			select counts.ctid
			from passed
			join tidings.counts on counts.target = passed.target
			where counts.position < (
				select max(newest.position)
				from tidings.counts newest
				where newest.target = passed.target
			)
			for update of counts skip locked -- a transaction that deletes a post may stay open
		))`, floor)
	return err
}
