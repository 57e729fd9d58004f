package verify

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// holdLimit bounds the time that a transaction is held open.
const holdLimit = time.Minute

// holdTransaction writes in a transaction and leaves it open for a while before it
// commits or rolls back. No other write may wait for it. The transaction stays open
// while the next faults are injected.
func (i *injector) holdTransaction(ctx context.Context) (bool, error) {
	t := &transaction{participants: i.run.participants, writes: i.run.writes, random: i.run.cfg.random("held", i.random.Int())}
	whole, cancel := context.WithTimeout(i.whole, holdLimit)
	err := t.begin(whole, i.run.pool)
	for range 4 {
		if err == nil {
			err = t.write(whole)
		}
	}
	if err != nil {
		defer cancel()
		i.failed("hold transaction", t.end(whole, false, err))
		return false, nil
	}
	length, commit := 2*i.length(), i.random.IntN(2) == 0
	i.open.Go(func() {
		defer cancel()
		pause(ctx, length)
		if err := t.end(whole, commit, nil); err != nil {
			i.failed("hold transaction", err)
		}
	})
	return true, nil
}

// publishMany publishes events to the topics in turn, in one transaction, and records
// their outcome. first is the number of the first write; the others follow.
func (i *injector) publishMany(ctx context.Context, topics []string, name string, count int) (first int64, err error) {
	first = i.run.writes.addMany(count)
	err = i.publishFrom(ctx, topics, name, first, count)
	result := commitOutcome(err)
	if errors.Is(err, errNotCommitted) {
		result = rolledBack
	}
	i.run.writes.recordMany(result, first, count)
	return first, err
}

// errNotCommitted means that a transaction failed before COMMIT was sent.
var errNotCommitted = errors.New("not committed")

func (i *injector) publishFrom(ctx context.Context, topics []string, name string, first int64, count int) error {
	tx, err := i.run.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return errors.Join(errNotCommitted, err)
	}
	_, err = tx.Exec(ctx, `
		select tidings.publish(topic, $2, jsonb_build_object('n', n, 'to', topic))
		from generate_series($3::bigint, $4::bigint) as n
		cross join lateral (select ($1::text[])[1 + n % cardinality($1::text[])]) as turn (topic)`,
		topics, name, first, first+int64(count)-1)
	if err != nil {
		_ = tx.Rollback(ctx) // without COMMIT, an error here changes nothing
		return errors.Join(errNotCommitted, err)
	}
	return tx.Commit(ctx)
}
