package group

import (
	"context"
	"errors"
	"time"
)

const (
	// batchLockWait is how long the transaction of a batch waits for a locked row: all
	// its writes, and those in the queue, wait with it.
	batchLockWait = 100 * time.Millisecond
	// searchLockWait is how long each write of a batch that met a lock waits when it is
	// tried alone. A batch of 200 writes that all need the locked row takes one second.
	searchLockWait = 5 * time.Millisecond
)

// commit commits a batch, which is not empty. Writes are independent. If the transaction
// fails, the batch is taken apart until the write that fails is found: that one gets the
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
	case (errors.Is(err, ErrRefused) || errors.Is(err, ErrConflict)) && !alone:
		half := len(batch) / 2
		g.commit(ctx, batch[:half], lockWait)
		g.commit(ctx, batch[half:], lockWait)
	case errors.Is(err, ErrLocked), errors.Is(err, ErrConflict):
		g.startSolo(ctx, batch[0], batch[0].Keys())
	default:
		if errors.Is(err, ErrRefused) {
			g.quarantine.add(batch[0].Source(), time.Now())
		}
		finishAll(batch, err)
	}
}

// commitOneByOne commits the writes of a batch that met a lock. The writes that need the
// locked row leave for solo transactions: the first of them meets the lock, and the
// others are found by their keys. Halves would meet the lock again and again.
func (g *Group) commitOneByOne(ctx context.Context, batch []*pending) {
	for i, p := range batch {
		if g.isHeld(p) {
			g.startSolo(ctx, p, p.Keys())
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
