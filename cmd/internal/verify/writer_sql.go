package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	recent       *recentComments
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
		case w.random.IntN(5) == 0:
			err = w.change(ctx, t)
		case w.random.IntN(15) == 0:
			err = w.markRead(ctx, t)
		default:
			err = t.write(ctx)
		}
		w.progress.writes.Add(1)
	}
	if err = t.end(ctx, err == nil && w.random.IntN(5) > 0, err); err != nil {
		w.progress.problem(err)
	}
	w.settle(t)
}

// settle records the outcome of a transaction.
func (w *sqlWriter) settle(t *transaction) {
	for _, l := range t.likes {
		w.acknowledged.like(l.likeTarget, l.liked, t.outcome)
		k := kindLike
		if l.comment != "" {
			k = kindCommentLike
		}
		w.progress.changed(k, t.outcome)
	}
	for _, x := range t.changes {
		x.of.record(x.change, 0, t.outcome)
		w.progress.changed(x.kind, t.outcome)
	}
	for range t.read {
		w.progress.changed(kindRead, t.outcome)
	}
	w.acknowledged.mark(t.read, t.outcome)
	if t.outcome != acknowledged {
		return
	}
	for _, c := range t.comments {
		w.recent.add(c.post, c.id)
		if a := w.acknowledged; len(a.comments) < mostOwn {
			a.comments = append(a.comments, c)
		}
	}
}

// change changes one of the writer's comments. A transaction changes a comment once.
func (w *sqlWriter) change(ctx context.Context, t *transaction) error {
	c := w.acknowledged.any(w.random)
	if c == nil || slices.ContainsFunc(t.changes, func(x ownChange) bool { return x.of == c }) {
		return nil
	}
	x := c.next(w.random)
	w.writes.changes(c.id, c.n)
	t.changes = append(t.changes, ownChange{x, c})
	sql, arg := `update tidings.comments set status = $2 where id = $1`, any(x.status)
	switch {
	case x.kind == kindEdit:
		sql, arg = `update tidings.comments set body = $2 where id = $1`, x.text
	case x.kind == kindPin:
		sql, arg = `update tidings.comments set pinned_at = case when $2 then clock_timestamp() end where id = $1`, x.pin
	case c.status == "deleted": // its row has no text any more
		sql, arg = `update tidings.comments set status = 'published', body = $2 where id = $1`, c.text
	}
	_, err := t.tx.Exec(ctx, sql, c.id, arg)
	return err
}

// markRead marks up to three notifications of a user of the run as read. It leaves out rows that
// another transaction has locked.
func (w *sqlWriter) markRead(ctx context.Context, t *transaction) error {
	rows, _ := t.tx.Query(ctx, `
		update tidings.notifications
		set read_at = clock_timestamp()
		where id = any (array(
			select id
			from tidings.notifications
			where user_id = $1 and read_at is null
			order by id
			limit 3
			for update skip locked
		))
		returning id`, w.participants.users[w.random.IntN(len(w.participants.users))])
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	t.read = append(t.read, ids...)
	return err
}

// like likes or unlikes a post of likePosts, or in a third of the calls a recent comment. The first
// like of a post creates the post.
func (w *sqlWriter) like(ctx context.Context, t *transaction) error {
	target := likeTarget{}
	if c, ok := w.recent.any(w.random); ok && w.random.IntN(3) == 0 {
		target = likeTarget{c.post, c.id}
	} else {
		target.post, _ = w.likePosts.next()
	}
	liked := w.random.IntN(2) > 0
	statement := `
		delete from tidings.likes
		where post_id = $1 and comment_id is not distinct from nullif($3, '')::bigint and user_id = $2`
	if liked {
		statement = `
		insert into tidings.likes (post_id, user_id, comment_id)
		values ($1, $2, nullif($3, '')::bigint)
		on conflict do nothing`
	}
	t.likes = append(t.likes, like{target, liked})
	_, err := t.tx.Exec(ctx, statement, target.post, w.acknowledged.user, target.comment)
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
	outcome outcome // set by end

	// These have the outcome of the transaction, too.
	likes    []like
	changes  []ownChange
	read     []int64       // ids of notifications
	comments []*ownComment // that it has inserted
}

// A like is a like or an unlike in a transaction.
type like struct {
	likeTarget
	liked bool
}

// An ownChange is a change of a comment of the writer.
type ownChange struct {
	change
	of *ownComment
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
		n, c, err := t.insert(ctx, t.tx)
		t.kept = append(t.kept, n)
		if err == nil && c != nil {
			t.comments = append(t.comments, c)
		}
		return err
	}
	savepoint, err := t.tx.Begin(ctx)
	if err != nil {
		return err
	}
	n, _, err := t.insert(ctx, savepoint)
	t.undone = append(t.undone, n)
	return errors.Join(err, savepoint.Rollback(ctx))
}

// insert inserts a comment, which it returns, or publishes an event.
func (t *transaction) insert(ctx context.Context, tx pgx.Tx) (n int64, c *ownComment, err error) {
	n = t.writes.add()
	if t.random.IntN(3) == 0 {
		topics := t.participants.topics()
		err = publish(ctx, tx, topics[t.random.IntN(len(topics))], nameNote, n)
		return n, nil, err
	}
	c = &ownComment{
		post: t.participants.posts[t.random.IntN(len(t.participants.posts))],
		root: true, n: n, text: body(n), status: "published",
	}
	err = tx.QueryRow(ctx, `
		insert into tidings.comments (post_id, author_id, body)
		values ($1, $2, $3)
		returning id::text`, c.post, "verify-"+t.participants.run+"-sql", c.text,
	).Scan(&c.id)
	return n, c, err
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
