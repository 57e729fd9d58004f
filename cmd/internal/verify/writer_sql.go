package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A sqlWriter writes in transactions of its own: several rows, savepoints, and
// rollbacks among them.
type sqlWriter struct {
	cast   cast
	ledger *ledger
	pool   *pgxpool.Pool
	random *rand.Rand
	pace   time.Duration
	live   *counters
}

// run writes until ctx ends; the transaction that is under way then is finished.
func (w *sqlWriter) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.write(context.WithoutCancel(ctx))
		pause(ctx, time.Duration(w.random.Int64N(int64(2*w.pace))))
	}
}

// write is one transaction.
func (w *sqlWriter) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	t := &transaction{cast: w.cast, ledger: w.ledger, random: w.random}
	err := t.begin(ctx, w.pool)
	for range 1 + w.random.IntN(5) {
		if err == nil {
			err = t.some(ctx)
		}
		w.live.writes.Add(1)
	}
	if err = t.end(ctx, err == nil && w.random.IntN(5) > 0, err); err != nil {
		w.live.problem(err)
	}
}

// A transaction enters in the ledger what its end makes of what was written in it.
type transaction struct {
	cast   cast
	ledger *ledger
	random *rand.Rand

	tx   pgx.Tx
	kept []int64 // writes that a commit makes true
	gone []int64 // writes that a savepoint took back
}

func (t *transaction) begin(ctx context.Context, pool *pgxpool.Pool) (err error) {
	t.tx, err = pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

// some writes a comment or an event, at times within a savepoint that is rolled back.
func (t *transaction) some(ctx context.Context) error {
	if t.random.IntN(6) > 0 {
		n, err := t.one(ctx, t.tx)
		t.kept = append(t.kept, n)
		return err
	}
	inner, err := t.tx.Begin(ctx)
	if err != nil {
		return err
	}
	n, err := t.one(ctx, inner)
	t.gone = append(t.gone, n)
	return errors.Join(err, inner.Rollback(ctx))
}

func (t *transaction) one(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	n = t.ledger.begin()
	if t.random.IntN(3) == 0 {
		topics := t.cast.topics()
		err = publish(ctx, tx, topics[t.random.IntN(len(topics))], nameNote, n)
		return n, err
	}
	_, err = tx.Exec(ctx, `
		insert into tidings.comments (post_id, author_id, body)
		values ($1, $2, $3)`,
		t.cast.posts[t.random.IntN(len(t.cast.posts))], "verify-"+t.cast.run+"-sql", body(n))
	return n, err
}

// end commits or rolls back. An error so far, or before COMMIT was sent, means that
// nothing was written; one in answer to COMMIT means so when Postgres itself
// refused, else nobody knows.
func (t *transaction) end(ctx context.Context, commit bool, err error) error {
	made := takenBack
	switch {
	case t.tx == nil:
	case !commit:
		_ = t.tx.Rollback(ctx) // without COMMIT it cannot have happened
	default:
		err = t.tx.Commit(ctx)
		made = commitFate(err)
	}
	t.ledger.answered(made, t.kept...)
	t.ledger.answered(takenBack, t.gone...)
	if err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return nil
}

func commitFate(err error) fate {
	var refusal *pgconn.PgError
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &refusal) && refusal.SeverityUnlocalized == "ERROR", errors.Is(err, pgx.ErrTxCommitRollback):
		return takenBack
	}
	return unanswered
}

// publish puts a write into a topic by SQL.
func publish(ctx context.Context, db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}, topic, name string, n int64) error {
	data, err := json.Marshal(note{n, topic})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = db.Exec(ctx, `select tidings.publish($1, $2, $3)`, topic, name, string(data))
	return err
}
