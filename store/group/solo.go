package group

import (
	"context"
	"errors"
	"time"
)

// SoloLockWait is how long a solo transaction waits for the lock of a row.
const SoloLockWait = 10 * time.Second

// An outcome is the result of a solo transaction.
type outcome struct {
	*pending
	refused bool // the database has refused the write
}

// startSolo starts a goroutine that commits one write in a solo transaction. The write
// holds the keys until the transaction has ended: other writes with one of the keys get
// solo transactions, too. If soloMost writes are solo, the write gets ErrBusy.
func (g *Group) startSolo(ctx context.Context, p *pending, keys []string) {
	if g.solo == soloMost {
		p.finish(ErrBusy)
		return
	}
	g.solo++
	g.soloWrites.Add(1)
	p.held = keys
	for _, key := range keys {
		g.held[key]++
	}
	go func() {
		err := g.commitInSlot(ctx, p)
		p.finish(err)
		g.finished <- outcome{p, errors.Is(err, ErrRefused)}
	}()
}

// commitInSlot waits for a slot and commits one write. If the caller leaves or ctx ends
// first, it returns an error and writes nothing.
func (g *Group) commitInSlot(ctx context.Context, p *pending) error {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-p.caller.Done():
		return p.caller.Err()
	case <-ctx.Done():
		return ErrClosed
	}
	if err := p.caller.Err(); err != nil {
		return err
	}
	return CommitSolo(ctx, g.committer, p.Write)
}

// endSolo releases the keys of a write whose solo transaction has ended.
func (g *Group) endSolo(o outcome) {
	g.solo--
	if o.refused {
		g.quarantine.add(o.Source(), time.Now())
	}
	for _, key := range o.held {
		if g.held[key]--; g.held[key] == 0 {
			delete(g.held, key)
		}
	}
}

// isHeld reports whether a solo write holds one of the keys of w.
func (g *Group) isHeld(w Write) bool {
	for _, key := range w.Keys() {
		if g.held[key] > 0 {
			return true
		}
	}
	return false
}

// CommitSolo commits one write in a transaction of its own, without a [Group]. It waits
// up to SoloLockWait for locked rows, and then returns ErrBusy. After ErrConflict it
// tries once more.
func CommitSolo(ctx context.Context, c Committer, w Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.Commit(ctx, []Write{w}, SoloLockWait)
	if errors.Is(err, ErrConflict) {
		err = c.Commit(ctx, []Write{w}, SoloLockWait)
	}
	if errors.Is(err, ErrLocked) {
		return ErrBusy
	}
	return err
}
