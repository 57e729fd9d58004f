package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// recordBatch is how many rows are read at once.
	recordBatch = 5000
	// recordLimit bounds one read.
	recordLimit = 10 * time.Second
)

// errBlind: what happened to the log took the truth with it.
var errBlind = errors.New("the log lost events before they were recorded: nothing can be said about this run")

// A recorder reads the log as it grows. It belongs to one goroutine, but for
// recorded.
type recorder struct {
	pool   *pgxpool.Pool
	topics []string
	truth  *truth
	ledger *ledger
	tally  *tally

	began     int64   // the head when it began
	floor     int64   // as of the last read
	positions []int64 // all rows of the topics that it has seen
	through   atomic.Int64
}

// newRecorder begins at the head of the log.
func newRecorder(ctx context.Context, pool *pgxpool.Pool, topics []string, t *truth, l *ledger, sum *tally) (*recorder, error) {
	r := &recorder{pool: pool, topics: topics, truth: t, ledger: l, tally: sum}
	if err := pool.QueryRow(ctx, `select tidings.head()`).Scan(&r.began); err != nil {
		return nil, fmt.Errorf("find head of log: %w", err)
	}
	r.through.Store(r.began)
	t.through = r.began
	return r, nil
}

// recorded is the position up to which all rows were read.
func (r *recorder) recorded() int64 { return r.through.Load() }

// A page is what one read of the log gave, from one snapshot.
type logPage struct {
	rows    []logRow
	through int64
	head    int64
	floor   int64
}

type logRow struct {
	position    int64
	topic, name string
	data        []byte
}

// catchUp reads up to the head.
func (r *recorder) catchUp(ctx context.Context) error {
	for {
		page, err := r.read(ctx, r.truth.through)
		if err != nil {
			return err
		}
		if page.head < r.truth.through || page.floor > r.truth.through {
			return errBlind
		}
		for _, row := range page.rows {
			r.enter(row)
		}
		r.floor, r.truth.through = page.floor, page.through
		r.through.Store(page.through)
		if page.through == page.head {
			return nil
		}
	}
}

// enter adds a row of our topics to the truth.
func (r *recorder) enter(row logRow) {
	if !slices.Contains(r.topics, row.topic) {
		return
	}
	f := factOf(row.topic, row.name, row.data)
	r.truth.add(row.position, f)
	r.positions = append(r.positions, row.position)
	if r.ledger.logged(f.n) {
		r.tally.count(duplicated, 1, "log: write %d is there twice, again at %d", f.n, row.position)
	}
}

func (r *recorder) read(ctx context.Context, after int64) (page logPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, r.pool, options, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `
			select tidings.head(), position
			from tidings.floor`,
		).Scan(&page.head, &page.floor); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			select position, topic, name, data
			from tidings.events
			where position > $1
			order by position
			limit $2`, after, recordBatch)
		page.rows, err = pgx.CollectRows(rows, func(c pgx.CollectableRow) (row logRow, err error) {
			return row, c.Scan(&row.position, &row.topic, &row.name, &row.data)
		})
		return err
	})
	if err != nil {
		return page, fmt.Errorf("read log: %w", err)
	}
	page.through = page.head
	if len(page.rows) == recordBatch {
		page.through = page.rows[recordBatch-1].position
	}
	return page, nil
}

// recheck reads once more what is left of the log, all at once. A row that was not
// there when its turn was, appeared behind the readers' backs; one that was there
// and is not any more, was lost after it had been seen.
func (r *recorder) recheck(ctx context.Context) error {
	var floor int64
	if err := r.pool.QueryRow(ctx, `select position from tidings.floor`).Scan(&floor); err != nil {
		return fmt.Errorf("read floor again: %w", err)
	}
	rows, _ := r.pool.Query(ctx, `
		select position
		from tidings.events
		where topic = any($1) and position > $2 and position <= $3
		order by position`, r.topics, max(floor, r.began), r.truth.through)
	left, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("read log again: %w", err)
	}
	late, gone := r.compare(left, floor)
	r.tally.count(reordered, late, "log: %d rows appeared before others that had been read", late)
	r.tally.count(lost, gone, "log: %d rows are gone that had been read", gone)
	return nil
}

// compare counts the rows left that were not seen, and those seen that are not left
// though they are above the floor.
func (r *recorder) compare(left []int64, floor int64) (late, gone int64) {
	for _, position := range left {
		if _, seen := slices.BinarySearch(r.positions, position); !seen {
			late++
		}
	}
	for _, position := range r.positions {
		if position <= floor {
			continue
		}
		if _, there := slices.BinarySearch(left, position); !there {
			gone++
		}
	}
	return late, gone
}
