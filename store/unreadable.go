package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/stream"
)

// unreadableMost bounds the rows that are remembered. Skipped rows beyond it are counted
// again, and logged again, each time that they are read.
const unreadableMost = 10_000

// sameErrorMost bounds the rows that are skipped for one error of class XX with one text. More
// rows with it have a common cause, such as a damaged index, and are not skipped: the read fails.
// The texts of damaged values differ, because each names the value.
const sameErrorMost = 32

// eventsTable is the name of the table of the log.
const eventsTable = "events"

// unreadable are the rows that could not be read. Its zero value is ready.
type unreadable struct {
	mu     sync.Mutex // guards the fields below
	rows   map[unreadableRow]bool
	events int64          // number of rows of the log
	others int64          // number of other rows
	errors map[string]int // number of rows for each text of an error of class XX
}

type unreadableRow struct {
	table string
	id    any // as it is logged
}

// add notes a row that cannot be read because of an error, and reports whether it is new. It
// returns ErrUnavailable, and notes nothing, if the cause concerns all rows.
func (u *unreadable) add(row unreadableRow, cause error) (added bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.rows[row] {
		return false, nil
	}
	if u.rows == nil {
		u.rows, u.errors = make(map[unreadableRow]bool), make(map[string]int)
	}
	var pg *pgconn.PgError
	if errors.As(cause, &pg) && pgerrcode.IsInternalError(pg.Code) {
		if u.errors[pg.Message] >= sameErrorMost {
			return false, fmt.Errorf("%w: %d rows cannot be read for one cause: %w", ErrUnavailable, sameErrorMost, cause)
		}
		if len(u.errors) < unreadableMost {
			u.errors[pg.Message]++
		}
	}
	if len(u.rows) < unreadableMost {
		u.rows[row] = true
	}
	if row.table == eventsTable {
		u.events++
	} else {
		u.others++
	}
	return true, nil
}

// SkippedEvents is the number of rows of the log that this instance could not deliver.
func (s *Store) SkippedEvents() int64 {
	s.unread.mu.Lock()
	defer s.unread.mu.Unlock()
	return s.unread.events
}

// SkippedRows is the number of comments and notifications that this instance has left out of
// lists, and of rows about the readers of other instances, because they could not be read.
func (s *Store) SkippedRows() int64 {
	s.unread.mu.Lock()
	defer s.unread.mu.Unlock()
	return s.unread.others
}

// skip counts and logs, once, a row of the log that cannot be delivered. It returns an error if
// the cause concerns all rows.
func (s *Store) skip(ctx context.Context, position int64, cause error) error {
	added, err := s.unread.add(unreadableRow{eventsTable, position}, cause)
	if added {
		s.logger.ErrorContext(ctx, "event cannot be delivered and is skipped", "position", position, "err", cause)
	}
	return err
}

// skipRow counts and logs, once, a row of a list that cannot be read, and returns nil. It
// also returns nil if err is nil or ErrNotFound, and all other errors.
func (s *Store) skipRow(ctx context.Context, table string, id int64, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		return nil
	case !isOfRow(err):
		return err
	}
	return s.leaveOut(ctx, table, id, err)
}

// leaveOut counts and logs, once, a row that cannot be used because of its content. id names it
// in the log. It returns an error if the cause concerns all rows.
func (s *Store) leaveOut(ctx context.Context, table string, id any, cause error) error {
	added, err := s.unread.add(unreadableRow{table, id}, cause)
	if added {
		s.logger.ErrorContext(ctx, "row cannot be read and is left out", "table", table, "id", id, "err", cause)
	}
	return err
}

// isOfRow reports whether a read may have failed for the content of one row: its data is
// damaged, or is of a kind that the query, the driver, or the session's encoding cannot
// take. Other errors concern all rows alike, and skip none.
func isOfRow(err error) bool {
	var scan pgx.ScanArgError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &scan):
		return true
	case errors.As(err, &pg):
		return pgerrcode.IsDataException(pg.Code) || pgerrcode.IsProgramLimitExceeded(pg.Code) || pgerrcode.IsInternalError(pg.Code)
	}
	return false
}

// readAround reads the log where a read of several rows has failed for one of them: half
// as many rows at a time, until the row that fails is the only one. That row is skipped.
func (s *Store) readAround(ctx context.Context, q stream.Query, err error) (stream.Batch, error) {
	for ; err != nil && isOfRow(err) && q.Limit > 1; q.Limit /= 2 {
		var batch stream.Batch
		half := q
		half.Limit = q.Limit / 2
		if batch, err = s.readPage(ctx, half); err == nil {
			return batch, nil
		}
	}
	if !isOfRow(err) {
		return stream.Batch{}, err
	}
	return s.stepOver(ctx, q, err)
}

// stepOver returns a batch without events that covers the next row, which cannot be read.
// It reads only the position of the row.
func (s *Store) stepOver(ctx context.Context, q stream.Query, cause error) (stream.Batch, error) {
	var batch stream.Batch
	var next *int64
	topics := topicTexts(q.Topics)
	err := s.readLog(ctx, stateQuery(&batch.State), rowQuery([]any{&next}, `
		select min(position)
		from (
			select position
			from tidings.events
			where position > $1::bigint
				and ($2::text[] is null or topic = any ($2))
			order by position
			limit 1
		) as e`, q.After, topics))
	if err != nil {
		return stream.Batch{}, err
	}
	batch.Through = batch.State.Head
	if next != nil {
		batch.Through = *next
		if err := s.skip(ctx, *next, cause); err != nil {
			return stream.Batch{}, err
		}
	}
	return batch, nil
}
