package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
)

// commitTimeout bounds a transaction that writes, including its wait for the turn.
const commitTimeout = 30 * time.Second

// submit commits a write, in a group or in a separate transaction. It returns the error of
// the transaction. An error that concerns this write only is in a field of w.
func (s *Store) submit(ctx context.Context, w group.Write) error {
	if s.group == nil {
		return translate(group.CommitSolo(ctx, s.committer, s.slots, w))
	}
	return translate(s.group.Submit(ctx, w))
}

// A committer makes the transactions of package group.
type committer struct {
	pool      *pgxpool.Pool
	pooled    bool // see Store
	health    *writeHealth
	claims    *claims
	triggers  *siteTriggers
	autoPosts bool // see Config
}

// A writeBatch has the writes of one transaction by kind. Each kind is in the order of
// arrival.
type writeBatch struct {
	comments []*commentWrite
	likes    []*likeWrite
	events   []*publishWrite
}

func newWriteBatch(writes []group.Write) (b writeBatch) {
	for _, w := range writes {
		switch w := w.(type) {
		case *commentWrite:
			b.comments = append(b.comments, w)
		case *likeWrite:
			b.likes = append(b.likes, w)
		case *publishWrite:
			b.events = append(b.events, w)
		}
	}
	return b
}

// Commit implements [group.Committer]. It makes the transaction in one round trip, or in two
// if the connection has not prepared the statements yet. All waits for rows end after
// lockWait, also those of the foreign keys at COMMIT. The wait for the turn ends only with
// commitTimeout.
func (c committer) Commit(ctx context.Context, writes []group.Write, lockWait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := retry(ctx, c.pool, func() error { return c.commitOnce(ctx, writes, lockWait) })
	if setInFlight(writes, err) {
		return nil
	}
	c.claims.noteLocked(writes, err)
	c.health.note(err)
	return err
}

func (c committer) commitOnce(ctx context.Context, writes []group.Write, lockWait time.Duration) error {
	b := newWriteBatch(writes)
	begin, batch := &pgx.Batch{}, &pgx.Batch{}
	begin.Queue("begin isolation level read committed")
	queueLocal(begin, c.pooled)
	queueSettings(begin, lockWait)
	queueClaims(batch, b.comments, lockWait)
	queueUsers(batch, b)
	queueComments(batch, b.comments, c.autoPosts)
	queueLikes(batch, b.likes, c.autoPosts)
	queueEvents(batch, b.events)
	if len(b.comments) > 0 {
		c.triggers.queue(batch)
	}
	committed := false
	batch.Queue("commit").Exec(func(pgconn.CommandTag) error { committed = true; return nil })
	c.queueLikesAfter(batch, b.likes)

	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = sendTransaction(ctx, conn, begin, batch)
	if err != nil {
		if _, rollback := conn.Exec(ctx, "rollback"); rollback != nil {
			err = fmt.Errorf("%w (%w)", err, rollback)
		}
	}
	if committed { // later errors must not make the group repeat the transaction
		c.readAfter(ctx, conn, b, err)
		return nil
	}
	if err != nil {
		if err = classify(err); errors.Is(err, group.ErrLocked) && len(writes) == 1 {
			err = findLocked(ctx, conn, writes[0], err)
		}
		return err
	}
	return nil
}

// sendTransaction sends the statements that begin a transaction, and those that end it. If
// the connection has to prepare one of the latter, it sends them when the transaction has
// begun: the driver prepares the statements of a batch first, and then Postgres would wait
// for the lock of a table without a limit, while all other writes wait.
func sendTransaction(ctx context.Context, conn *pgxpool.Conn, begin, rest *pgx.Batch) error {
	prepared := conn.Conn().PgConn().CustomData()
	for _, q := range rest.QueuedQueries {
		if prepared[q.SQL] == nil {
			if err := conn.SendBatch(ctx, begin).Close(); err != nil {
				return err
			}
			begin = &pgx.Batch{}
			break
		}
	}
	begin.QueuedQueries = append(begin.QueuedQueries, rest.QueuedQueries...)
	if err := conn.SendBatch(ctx, begin).Close(); err != nil {
		return err
	}
	for _, q := range rest.QueuedQueries {
		prepared[q.SQL] = true
	}
	return nil
}

// readAfter completes the outcomes of the writes of a transaction that has committed. err is the
// error of the reads in its round trip. A comment that cannot be read is answered as it was
// inserted.
func (c committer) readAfter(ctx context.Context, conn *pgxpool.Conn, b writeBatch, err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && stalePlan(pg) {
		err = c.readLikesAfter(ctx, b.likes)
	}
	setUncounted(b.likes, err)
	_ = c.readCommentsAfter(ctx, conn, b.comments)
}

// readLikesAfter repeats the read of queueLikesAfter after it has failed.
func (c committer) readLikesAfter(ctx context.Context, likes []*likeWrite) error {
	return retry(ctx, c.pool, func() error {
		batch := &pgx.Batch{}
		c.queueLikesAfter(batch, likes)
		return c.pool.SendBatch(ctx, batch).Close()
	})
}

// classify wraps an error of Postgres in the error of package group that says whether to
// repeat the transaction. Errors of the connection stay as they are.
func classify(err error) error {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg), errors.Is(translate(err), ErrUnavailable):
		return err
	case siteRefusal(pg) != nil:
		return fmt.Errorf("%w: %w", group.ErrRefused, err)
	case pg.Code == pgerrcode.LockNotAvailable, pg.Code == pgerrcode.DeadlockDetected:
		return fmt.Errorf("%w: %w", group.ErrLocked, err)
	}
	return fmt.Errorf("%w: %w", group.ErrRefused, err)
}

// queueSettings makes settings for the rest of the transaction: the timeouts (see
// keepTurnTimeout), and how statements are planned.
//
// A connection makes a plan once, perhaps while the tables are empty, and keeps it. So the
// plan must suit tables of any size: each join must look up each of the few rows of a batch
// by an index. A plan with a hash join or a sequential scan would later read a whole table
// for every commit.
func queueSettings(batch *pgx.Batch, lockWait time.Duration) {
	batch.Queue(`
		select
			`+keepTurnTimeout+`,
			set_config('lock_timeout', $1, true),
			set_config('plan_cache_mode', 'force_generic_plan', true),
			set_config('enable_seqscan', 'off', true),
			set_config('enable_hashjoin', 'off', true),
			set_config('enable_mergejoin', 'off', true),
			set_config('enable_material', 'off', true),
			set_config('jit', 'off', true)`,
		milliseconds(lockWait))
}

// milliseconds is a duration as the value of a setting.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
