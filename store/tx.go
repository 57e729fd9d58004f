package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
)

// readTimeout bounds a read. Not every caller has a deadline, and on a network that drops
// packets a read would wait as long as TCP does, up to 15 minutes.
const readTimeout = 10 * time.Second

// keepTurnTimeout is a part of a select that runs before lock_timeout is set. Our
// transactions set lock_timeout to bound their waits for rows, up to the end of COMMIT.
// The trigger function tidings.flush, which runs at COMMIT, must wait for the turn
// (a lock on the table tidings.turn) for as long as the session's own lock_timeout
// allows, because others hold the turn only while they commit. So the session's value is
// copied to the custom setting tidings.turn_timeout, and flush restores it before it takes
// the turn. The setting has an effect on the transaction that makes it only.
const keepTurnTimeout = `set_config('tidings.turn_timeout', current_setting('lock_timeout'), true)`

// beginWrite begins a transaction that waits for rows as long as the duration of its
// argument, in milliseconds.
const beginWrite = `
	begin isolation level read committed read write;
	select ` + keepTurnTimeout + `, set_config('lock_timeout', '%dms', true)`

// write runs fn in a READ COMMITTED transaction, independent of the default of the database:
// at a stricter level, the events could not be numbered if other transactions had committed
// events since the snapshot. It returns ErrBusy when a row stays locked for longer than
// group.SoloLockWait.
func (s *Store) write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return translate(s.tryWrite(ctx, group.SoloLockWait, fn))
}

// tryWrite is like write, with the errors of package group.
func (s *Store) tryWrite(ctx context.Context, lockWait time.Duration, fn func(tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	begin := fmt.Sprintf(beginWrite, lockWait.Milliseconds())
	return classify(pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, fn))
}

// writeWaiting is like write, for rows that a client may lock for a long time. It takes a
// slot, so that transactions that wait for rows never use more than half of the pool. It
// may call fn more than once, each time in a new transaction.
func (s *Store) writeWaiting(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return translate(s.slots.Do(ctx, func(lockWait time.Duration) error { return s.tryWrite(ctx, lockWait, fn) }))
}

// A readQuery is one query of a read.
type readQuery struct {
	sql  string
	args []any
	take func(pgx.Rows) error // reads the result
}

// rowQuery returns a query whose one row is scanned into dst. Without a row, the read
// returns ErrNotFound.
func rowQuery(dst []any, sql string, args ...any) readQuery {
	return readQuery{sql, args, func(rows pgx.Rows) error {
		if !rows.Next() {
			return cmp.Or(rows.Err(), pgx.ErrNoRows)
		}
		return rows.Scan(dst...)
	}}
}

// read runs queries in one snapshot and one round trip. The connection keeps their plans,
// which may have been made while a table was empty. So no plan may read a whole table, and
// each query needs an index.
func (s *Store) read(ctx context.Context, queries ...readQuery) error {
	return readFrom(ctx, s.pool, queries...)
}

func readFrom(ctx context.Context, pool *pgxpool.Pool, queries ...readQuery) error {
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue("set local enable_seqscan = off")
	for _, q := range queries {
		batch.Queue(q.sql, q.args...).Query(q.take)
	}
	batch.Queue("commit")
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return translate(pool.SendBatch(ctx, batch).Close())
}
