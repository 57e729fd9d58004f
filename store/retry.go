package store

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// mostRetries bounds the attempts that follow a failed one.
const mostRetries = 3

// retry calls try, which makes one transaction. It calls it again when the transaction
// has failed for a cause that retry removes, and so has written nothing:
//
//   - A table was altered, and a connection has a prepared statement from before.
//   - Rows were imported with ids that the sequence of their table has not passed.
//   - The pool could not open another connection, because the role or the server has no more
//     of them. If the pool has others, retry waits for one until ctx ends.
func retry(ctx context.Context, pool *pgxpool.Pool, try func() error) error {
	for retries := 0; ; {
		err := try()
		var pg *pgconn.PgError
		switch {
		case !errors.As(err, &pg):
			return err
		case noConnection(pg):
			if !hasConnections(pool) || pause(ctx, connectionPause) != nil {
				return err
			}
			continue
		case retries == mostRetries:
			return err
		case stalePlan(pg):
			pool.Reset()
		case pg.Code == pgerrcode.UniqueViolation && isIDKey(pg.ConstraintName):
			if skipImportedIDs(ctx, pool) != nil {
				return err
			}
		default:
			return err
		}
		retries++
	}
}

// hasConnections reports whether a pool has a connection, free or in use.
func hasConnections(pool *pgxpool.Pool) bool {
	stat := pool.Stat()
	return stat.AcquiredConns()+stat.IdleConns() > 0
}

// connectionPause is the time between two attempts to get a connection of the pool.
const connectionPause = 20 * time.Millisecond

// pause waits for the time, or returns ctx.Err() if ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stalePlan reports whether a prepared statement is older than the table that it reads.
// Postgres translates the message, but not the name of its own function.
func stalePlan(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.FeatureNotSupported && pg.Routine == "RevalidateCachedQuery"
}

// mostImported is the number of ids that skipImportedIDs looks at.
const mostImported int64 = 1_000_000_000

// skipImportedIDs moves the sequences of ids past the ids in their tables. It looks at the
// next billion ids only: of an import, an id near the greatest bigint would leave none for new
// rows. Two instances that do so at once may move a sequence back by the few ids that were
// drawn in between: the next insert fails, and is repeated.
func skipImportedIDs(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		select
			pg_catalog.setval('tidings.comments_id_seq', greatest(c.last_value, (
				select id from tidings.comments where id <= least(c.last_value, $2) + $1 order by id desc limit 1))),
			pg_catalog.setval('tidings.notifications_id_seq', greatest(n.last_value, (
				select id from tidings.notifications where id <= least(n.last_value, $2) + $1 order by id desc limit 1)))
		from tidings.comments_id_seq c
		cross join tidings.notifications_id_seq n`, mostImported, math.MaxInt64-mostImported)
	return err
}
