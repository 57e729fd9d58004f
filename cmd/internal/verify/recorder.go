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
	// recordBatch is the most rows of one read.
	recordBatch = 5000
	// recordLimit bounds the time of one read.
	recordLimit = 10 * time.Second
)

// errIncomplete means that the log lost events before the recorder had read them. The
// log copy cannot be completed, so the run has no result.
var errIncomplete = errors.New("the log lost events before they were copied: this run has no result")

// A recorder copies the log while it grows, from the position that the log had when
// the recorder was made. It belongs to the goroutine of the checker, except for
// recorded.
type recorder struct {
	pool     *pgxpool.Pool
	topics   []string
	log      *logCopy
	writes   *writeLog
	findings *findings

	began     int64        // head of the log when the recorder was made
	floor     int64        // retention had removed positions up to this one at the last read
	positions []int64      // of all copied rows, ascending
	through   atomic.Int64 // all rows up to this position were copied
}

func newRecorder(ctx context.Context, pool *pgxpool.Pool, topics []string, log *logCopy, w *writeLog, f *findings) (*recorder, error) {
	r := &recorder{pool: pool, topics: topics, log: log, writes: w, findings: f}
	if err := pool.QueryRow(ctx, `select tidings.head()`).Scan(&r.began); err != nil {
		return nil, fmt.Errorf("find head of log: %w", err)
	}
	r.through.Store(r.began)
	log.through = r.began
	return r, nil
}

// recorded is the position up to which all rows were copied. It may be called from any
// goroutine.
func (r *recorder) recorded() int64 { return r.through.Load() }

// A logPage is the result of one read of the log, from one snapshot.
type logPage struct {
	rows    []logRow
	through int64 // rows has all rows up to this position
	head    int64
	floor   int64
}

type logRow struct {
	position    int64
	topic, name string
	data        []byte
}

// catchUp copies all rows up to the current head. It returns errIncomplete if rows
// that were not copied yet are gone, and other errors if the database cannot be read
// now.
func (r *recorder) catchUp(ctx context.Context) error {
	for {
		page, err := r.read(ctx, r.log.through)
		if err != nil {
			return err
		}
		if page.head < r.log.through || page.floor > r.log.through {
			return errIncomplete
		}
		for _, row := range page.rows {
			r.copyRow(row)
		}
		r.floor, r.log.through = page.floor, page.through
		r.through.Store(page.through)
		if page.through == page.head {
			return nil
		}
	}
}

// copyRow adds a row to the log copy if its topic is one of this run.
func (r *recorder) copyRow(row logRow) {
	if !slices.Contains(r.topics, row.topic) {
		return
	}
	e := summarize(row.topic, row.name, row.data)
	r.log.add(row.position, e)
	r.positions = append(r.positions, row.position)
	if n := r.writes.number(e); r.writes.found(n, e.comment) {
		r.findings.add(duplicated, 1, "log: write %d is in the log twice, again at %d", n, row.position)
	}
}

// read reads the rows above a position, together with the head and the floor of the
// same snapshot.
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
			from tidings.log
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

// recheck reads the positions of all rows of the log a second time, when nothing is
// written any more. A row that was not there at the first read appeared below a
// position that readers had passed. A row that was there and is gone, although it is
// above the floor, was lost after it had been read.
func (r *recorder) recheck(ctx context.Context) error {
	var floor int64
	if err := r.pool.QueryRow(ctx, `select position from tidings.floor`).Scan(&floor); err != nil {
		return fmt.Errorf("read floor of log again: %w", err)
	}
	rows, _ := r.pool.Query(ctx, `
		select position
		from tidings.events
		where topic = any($1) and position > $2 and position <= $3
		order by position`, r.topics, max(floor, r.began), r.log.through)
	left, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("read log again: %w", err)
	}
	late, gone := r.compare(left, floor)
	r.findings.add(reordered, late, "log: %d rows appeared below a position that had been read", late)
	r.findings.add(lost, gone, "log: %d rows that had been read are gone", gone)
	return nil
}

// compare counts the rows that are left and were not copied, and those that were
// copied and are not left although they are above the floor. left is ascending.
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
