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

// A sqlWriter writes rows in transactions of one to five writes, some of them in
// savepoints that are rolled back. It rolls back one of five transactions. Its likes are
// those of one user, whom no other writer uses: a like waits for another transaction
// with a like of the same post by the same user.
type sqlWriter struct {
	participants participants
	writes       *writeLog
	pool         *pgxpool.Pool
	random       *rand.Rand
	pace         time.Duration // average pause between transactions
	progress     *progress
	acknowledged *acknowledgedState
	likePosts    *likePosts
}

// run writes until ctx ends, and ends the last transaction.
func (w *sqlWriter) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.write(context.WithoutCancel(ctx))
		pause(ctx, time.Duration(w.random.Int64N(int64(2*w.pace))))
	}
}

// write makes one transaction.
func (w *sqlWriter) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	t := &transaction{participants: w.participants, writes: w.writes, random: w.random}
	err := t.begin(ctx, w.pool)
	for range 1 + w.random.IntN(5) {
		switch {
		case err != nil:
		case w.random.IntN(6) == 0:
			err = w.like(ctx, t)
		default:
			err = t.write(ctx)
		}
		w.progress.writes.Add(1)
	}
	if err = t.end(ctx, err == nil && w.random.IntN(5) > 0, err); err != nil {
		w.progress.problem(err)
	}
	for _, l := range t.likes {
		w.acknowledged.like(l.post, l.liked, t.outcome)
		if t.outcome == acknowledged {
			w.progress.likes.Add(1)
		}
	}
}

// like likes or unlikes a post of likePosts. The first like of a post creates the post.
func (w *sqlWriter) like(ctx context.Context, t *transaction) error {
	post, _ := w.likePosts.next()
	liked := w.random.IntN(2) > 0
	statement := `
		delete from tidings.likes
		where post_id = $1 and comment_id is null and user_id = $2`
	if liked {
		statement = `
		insert into tidings.likes (post_id, user_id)
		values ($1, $2)
		on conflict do nothing`
	}
	t.likes = append(t.likes, like{post, liked})
	_, err := t.tx.Exec(ctx, statement, post, w.acknowledged.user)
	return err
}

// A transaction adds its writes to the write log and, when it ends, records their
// outcomes.
type transaction struct {
	participants participants
	writes       *writeLog
	random       *rand.Rand

	tx      pgx.Tx
	kept    []int64 // writes that have the outcome of the transaction
	undone  []int64 // writes in savepoints that were rolled back
	likes   []like  // have the outcome of the transaction
	outcome outcome // set by end
}

// A like is a like or an unlike of a post in a transaction.
type like struct {
	post  string
	liked bool
}

func (t *transaction) begin(ctx context.Context, pool *pgxpool.Pool) (err error) {
	t.tx, err = pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

// write writes a comment or an event, in one of six calls in a savepoint that it rolls
// back.
func (t *transaction) write(ctx context.Context) error {
	if t.random.IntN(6) > 0 {
		n, err := t.insert(ctx, t.tx)
		t.kept = append(t.kept, n)
		return err
	}
	savepoint, err := t.tx.Begin(ctx)
	if err != nil {
		return err
	}
	n, err := t.insert(ctx, savepoint)
	t.undone = append(t.undone, n)
	return errors.Join(err, savepoint.Rollback(ctx))
}

func (t *transaction) insert(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	n = t.writes.add()
	if t.random.IntN(3) == 0 {
		topics := t.participants.topics()
		err = publish(ctx, tx, topics[t.random.IntN(len(topics))], nameNote, n)
		return n, err
	}
	_, err = tx.Exec(ctx, `
		insert into tidings.comments (post_id, author_id, body)
		values ($1, $2, $3)`,
		t.participants.posts[t.random.IntN(len(t.participants.posts))], "verify-"+t.participants.run+"-sql", body(n))
	return n, err
}

// end commits or rolls back and records the outcomes. err is the error so far: after
// an error commit must be false, and nothing was written because COMMIT was not sent.
func (t *transaction) end(ctx context.Context, commit bool, err error) error {
	result := rolledBack
	switch {
	case t.tx == nil:
	case !commit:
		_ = t.tx.Rollback(ctx) // without COMMIT, an error here changes nothing
	default:
		err = t.tx.Commit(ctx)
		result = commitOutcome(err)
	}
	t.outcome = result
	t.writes.record(result, t.kept...)
	t.writes.record(rolledBack, t.undone...)
	if err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return nil
}

// commitOutcome is the outcome of a COMMIT. If Postgres itself refused, the
// transaction was rolled back. After any other error it may have been committed.
func commitOutcome(err error) outcome {
	var refusal *pgconn.PgError
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &refusal) && refusal.SeverityUnlocalized == "ERROR", errors.Is(err, pgx.ErrTxCommitRollback):
		return rolledBack
	}
	return unanswered
}

// publish publishes an event with the number of the write, by SQL.
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
