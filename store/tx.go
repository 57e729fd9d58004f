package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/session"
)

// readTimeout bounds a read. Not every caller has a deadline, and on a network that drops
// packets a read would wait as long as TCP does, up to 15 minutes.
const readTimeout = 10 * time.Second

// keepTurnTimeout is a part of a select. Our transactions set lock_timeout to bound their
// waits for rows, up to the end of COMMIT. The trigger function tidings.flush, which runs
// at COMMIT, must wait for the turn (a lock on the table tidings.turn) without a
// lock_timeout: others hold the turn only while they commit, and commitTimeout ends the wait.
// flush sets lock_timeout to the custom setting tidings.turn_timeout before it takes the
// turn. The setting has an effect on the transaction that makes it only.
const keepTurnTimeout = `set_config('tidings.turn_timeout', '0', true)`

// beginWrite begins a transaction that waits for rows as long as lockWait. It does not ask
// for READ WRITE: that would overrule default_transaction_read_only.
func (s *Store) beginWrite(lockWait time.Duration) string {
	begin := "begin isolation level read committed; "
	if s.pooled {
		begin += session.Local + "; "
	}
	return begin + fmt.Sprintf(`select `+keepTurnTimeout+`, set_config('lock_timeout', '%dms', true)`, lockWait.Milliseconds())
}

// queueLocal queues our session settings, for a transaction in a session of a pooler.
func queueLocal(batch *pgx.Batch, pooled bool) {
	if pooled {
		batch.Queue(session.Local)
	}
}

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
	err := retry(ctx, s.pool, func() error {
		return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: s.beginWrite(lockWait)}, fn)
	})
	s.health.note(err)
	return classify(err)
}

// writeWaiting is like write, for a row that a client may lock for a long time. It takes a
// slot, so that transactions that wait for rows never use more than half of the pool, and
// only one for each row. It may call fn more than once, each time in a new transaction.
func (s *Store) writeWaiting(ctx context.Context, row group.Key, fn func(tx pgx.Tx) error) error {
	return translate(s.slots.Do(ctx, row, func(lockWait time.Duration) error { return s.tryWrite(ctx, lockWait, fn) }))
}

// exec runs one statement that needs no other. Through a pooler, it has our settings.
func (s *Store) exec(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) error {
	if !s.pooled {
		_, err := pool.Exec(ctx, sql, args...)
		return translate(err)
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level read committed")
	queueLocal(batch, true)
	batch.Queue(sql, args...)
	batch.Queue("commit")
	return translate(pool.SendBatch(ctx, batch).Close())
}

// A readQuery is one query of a read.
type readQuery struct {
	sql  string
	args []any
	take func(pgx.Rows) error // reads the result; it may be called again, for a new result
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

// An optionalTime is the target of a scan of a time that may be null, which leaves it as it is.
type optionalTime time.Time

// ScanTimestamptz implements [pgtype.TimestamptzScanner].
func (t *optionalTime) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.Valid {
		*t = optionalTime(v.Time)
	}
	return nil
}

// readSettings are the settings of reads. Without row_security, Postgres returns an error
// where forced policies would hide rows. Writes keep it, for triggers of the site that read
// other tables.
const readSettings = `select set_config('enable_seqscan', 'off', true), set_config('row_security', 'off', true)`

// read runs queries in one snapshot and one round trip. The connection keeps their plans,
// which may have been made while a table was empty. So no plan may read a whole table, and
// each query needs an index.
func (s *Store) read(ctx context.Context, queries ...readQuery) error {
	return s.readFrom(ctx, s.pool, queries...)
}

// giveUpLocks bounds how long a read of the log waits for a lock on a table. Others in the
// small pool of connections wait behind it, and the hub tries again.
var giveUpLocks = readQuery{`set local lock_timeout = '1s'`, nil, func(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}}

func (s *Store) readFrom(ctx context.Context, pool *pgxpool.Pool, queries ...readQuery) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return translate(retry(ctx, pool, func() error {
		batch := &pgx.Batch{}
		batch.Queue("begin isolation level repeatable read read only")
		queueLocal(batch, s.pooled)
		batch.Queue(readSettings)
		for _, q := range queries {
			batch.Queue(q.sql, q.args...).Query(q.take)
		}
		batch.Queue("commit")
		return pool.SendBatch(ctx, batch).Close()
	}))
}
