package group

import (
	"context"
	"errors"
	"time"
)

// An outcome is the result of a solo transaction.
type outcome struct {
	*pending
	err error
}

// startSolo starts a goroutine that commits one write in a solo transaction. The write
// holds the keys, which are those of locked rows, until the transaction has ended: other
// writes with one of the keys get solo transactions, too. If soloMost writes are solo, the
// write gets ErrBusy.
func (g *Group) startSolo(ctx context.Context, p *pending, keys []Key) {
	if g.solo == soloMost {
		p.finish(ErrBusy)
		return
	}
	g.solo++
	g.soloWrites.Add(1)
	p.held = keys
	for _, key := range keys {
		if g.held[key] == nil {
			g.held[key] = make(map[*pending]bool)
		}
		g.held[key][p] = true
	}
	go func() {
		err := g.commitInSlot(ctx, p)
		p.finish(err)
		g.finished <- outcome{p, err}
	}()
}

// commitInSlot commits one write in a slot. If the caller leaves or ctx ends between
// transactions, it returns an error.
func (g *Group) commitInSlot(ctx context.Context, p *pending) error {
	waiting, cancel := context.WithCancelCause(p.caller)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ErrClosed) })()
	try := func(lockWait time.Duration) error { return g.committer.Commit(ctx, []Write{p.Write}, lockWait) }
	if len(p.held) > 0 {
		return g.slots.waitForLock(waiting, try)
	}
	return g.slots.Do(waiting, try)
}

// endSolo releases the keys of a write whose solo transaction has ended. If that has
// committed, no other solo write holds the keys either: later writes would else be solo for
// as long as writes with the keys arrive without a pause.
func (g *Group) endSolo(o outcome) {
	g.solo--
	if errors.Is(o.err, ErrRefused) {
		g.quarantine.add(o.Source(), time.Now())
	}
	for _, key := range o.held {
		delete(g.held[key], o.pending)
		if len(g.held[key]) == 0 || o.err == nil { // the write had the lock, so the row is free
			delete(g.held, key)
		}
	}
}

// heldKeys returns the keys of w that solo writes hold. The other keys of w are free.
func (g *Group) heldKeys(w Write) (held []Key) {
	for _, key := range w.Keys() {
		if g.held[key] != nil {
			held = append(held, key)
		}
	}
	return held
}

// CommitSolo commits one write in a transaction of its own, without a [Group]. It returns
// ErrBusy when a row stays locked for SoloLockWait.
func CommitSolo(ctx context.Context, c Committer, slots Slots, w Write) error {
	return slots.Do(ctx, func(lockWait time.Duration) error { return c.Commit(ctx, []Write{w}, lockWait) })
}
