package group

import (
	"context"
	"errors"
	"time"
)

const (
	// batchLockWait is how long the transaction of a batch waits for a locked row. All
	// writes of the batch and of the queue wait for that time, too.
	batchLockWait = 100 * time.Millisecond
	// searchLockWait is how long a single write waits for a locked row after its batch
	// has met a lock. A batch of 200 writes that need 200 locked rows takes one second.
	searchLockWait = 5 * time.Millisecond
)

// commit commits a batch of at least one write. Writes are independent: if the transaction
// fails, commit splits the batch until the offending write is alone. That write gets the
// error or a solo transaction, and all others are committed.
func (g *Group) commit(ctx context.Context, batch []*pending, lockWait time.Duration) {
	err := g.committer.Commit(ctx, writesOf(batch), lockWait)
	alone := len(batch) == 1
	switch {
	case err == nil:
		g.transactions.Add(1)
		g.writes.Add(int64(len(batch)))
		finishAll(batch, nil)
	case errors.Is(err, ErrLocked) && !alone:
		g.commitOneByOne(ctx, batch)
	case errors.Is(err, ErrRefused) && !alone:
		half := len(batch) / 2
		g.commit(ctx, batch[:half], lockWait)
		g.commit(ctx, batch[half:], lockWait)
	case errors.Is(err, ErrLocked):
		g.startSolo(ctx, batch[0], lockOf(batch[0], err), true)
	default:
		if errors.Is(err, ErrRefused) {
			g.quarantine.add(batch[0].Source(), time.Now())
		}
		finishAll(batch, err)
	}
}

// commitOneByOne commits the writes of a batch that has met a lock. The first write that
// needs the locked row meets the lock again and gets a solo transaction, in which it holds
// the key of the row. Later writes with one of these keys get solo transactions without an attempt.
// Halves would meet the lock once for each half.
func (g *Group) commitOneByOne(ctx context.Context, batch []*pending) {
	for i, p := range batch {
		if l := g.expected(p); len(l.keys) > 0 {
			g.startSolo(ctx, p, l, false)
			continue
		}
		g.commit(ctx, batch[i:i+1], searchLockWait)
	}
}

func finishAll(batch []*pending, err error) {
	for _, p := range batch {
		p.finish(err)
	}
}
