package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retention says how much of the log is kept: what is past either bound goes, oldest
// first. Readers who were further back get a gap.
type Retention struct {
	// Age is how long an event is kept; at least MinimumAge.
	Age time.Duration
	// Rows is how many events are kept at most. Those younger than MinimumAge are kept beyond
	// it: a reader who was away for a moment must find them.
	Rows int64
}

// MinimumAge is how old an event must be to be removed, whatever the bounds say.
const MinimumAge = 15 * time.Minute

const (
	trimEvery = time.Minute
	trimBatch = 5_000 // events a transaction: short, so that nobody waits for its locks
)

// Retain keeps the log within bounds until ctx ends, then returns nil. Any number of
// instances may do so at once: one at a time works.
func (s *Store) Retain(ctx context.Context, keep Retention) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		removed, err := s.Trim(ctx, keep)
		if err == nil {
			err = s.forgetKeys(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.logger.WarnContext(ctx, "not everything old was removed", "err", err)
		case removed > 0:
			s.logger.LogAttrs(ctx, slog.LevelInfo, "log trimmed", slog.Int64("events", removed))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Trim removes what is past the bounds, once, and returns how many events went. While
// another instance trims, it leaves the work to that one.
func (s *Store) Trim(ctx context.Context, keep Retention) (removed int64, err error) {
	for {
		n, err := s.trimBatch(ctx, keep)
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// trimBatch removes the oldest events up to the first that must stay, so that what is
// gone is always a prefix. The trigger on the table raises the floor.
func (s *Store) trimBatch(ctx context.Context, keep Retention) (removed int64, err error) {
	err = s.write(ctx, func(tx pgx.Tx) error {
		var floor int64
		err := tx.QueryRow(ctx, `
			select position
			from tidings.floor
			for update skip locked`,
		).Scan(&floor)
		if err == pgx.ErrNoRows {
			return nil // another instance is at it
		}
		if err != nil {
			return err
		}
		gone, err := tx.Exec(ctx, `
			with oldest as (
				select position, created_at
				from tidings.events
				where position > $5 -- what was removed may stay in the index for long
				order by position
				limit $4
			),
			stays as (
				select min(position) as position
				from oldest
				where created_at >= statement_timestamp() - $1::interval
					-- Positions have few holes: so many of them are at most as many events.
					and not (position <= (select max(position) from tidings.events) - $3
						and created_at < statement_timestamp() - $2::interval)
			)
			delete from tidings.events
			using oldest, stays
			where events.position = oldest.position
				and (stays.position is null or oldest.position < stays.position)`,
			max(keep.Age, MinimumAge), MinimumAge, keep.Rows, trimBatch, floor)
		if err != nil || gone.RowsAffected() == 0 {
			return err
		}
		removed = gone.RowsAffected()
		return trimCounts(ctx, tx, floor)
	})
	return removed, err
}

// trimCounts removes the counters that newer ones have replaced, of each target that
// was counted between the old floor and the new one.
func trimCounts(ctx context.Context, tx pgx.Tx, floor int64) error {
	_, err := tx.Exec(ctx, `
		with passed as (
			select distinct target
			from tidings.counts
			where position > $1
				and position <= (select position from tidings.floor)
		)
		delete from tidings.counts
		using passed
		where counts.target = passed.target
			and counts.position < (
				select max(newest.position)
				from tidings.counts newest
				where newest.target = passed.target
			)`, floor)
	return err
}
