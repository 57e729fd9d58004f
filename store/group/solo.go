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

// A lock is what is known about the lock that a write has met, or has to expect.
type lock struct {
	// keys has the key of the locked row or table. If the database names neither, it has the
	// keys of all rows that may be locked. It is empty if no lock is expected.
	keys  []Key
	named bool // the database has named the row, so all writes with the key need it
}

// holders are the solo writes that hold a key.
type holders struct {
	writes map[*pending]bool
	named  int // writes for whose lock the database has named the key
}

func (h *holders) add(p *pending) {
	h.writes[p] = true
	if p.lock.named {
		h.named++
	}
}

func (h *holders) remove(p *pending) {
	if h.writes[p] && p.lock.named {
		h.named--
	}
	delete(h.writes, p)
}

// row is the key whose writes wait for the lock one after another.
func (l lock) row() Key {
	if len(l.keys) == 0 {
		return Key{}
	}
	return l.keys[0]
}

// startSolo starts a goroutine that commits one write in a solo transaction. The write
// holds the keys of the lock until the transaction has ended: other writes with one of the
// keys get solo transactions, too. If met is true, the write has met the lock. If soloMost
// writes are solo, or rowMost with one of the keys, the write gets ErrBusy.
func (g *Group) startSolo(ctx context.Context, p *pending, l lock, met bool) {
	if g.solo == soloMost || g.crowded(l.keys) {
		p.finish(ErrBusy)
		return
	}
	g.solo++
	g.soloWrites.Add(1)
	p.lock = l
	for _, key := range l.keys {
		if g.held[key] == nil {
			g.held[key] = &holders{writes: make(map[*pending]bool)}
		}
		g.held[key].add(p)
	}
	go func() {
		err := g.commitInSlot(ctx, p, met)
		p.finish(err)
		g.finished <- outcome{p, err}
	}()
}

// crowded reports whether rowMost writes hold one of the keys.
func (g *Group) crowded(keys []Key) bool {
	for _, key := range keys {
		if held := g.held[key]; held != nil && len(held.writes) >= rowMost {
			return true
		}
	}
	return false
}

// commitInSlot commits one write in a slot. A write that has met its lock, or whose lock the
// database has named to another write, waits for it behind the other writes to the row. Any
// other write may not need the locked row, and is first tried. If the caller leaves or ctx
// ends between transactions, commitInSlot returns an error.
func (g *Group) commitInSlot(ctx context.Context, p *pending, met bool) error {
	waiting, cancel := context.WithCancelCause(p.caller)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ErrClosed) })()
	waiting, end := bounded(waiting)
	defer end()
	try := func(lockWait time.Duration) error { return g.committer.Commit(ctx, []Write{p.Write}, lockWait) }
	if met || p.lock.named {
		return g.slots.waitForLock(waiting, p.lock.row(), try)
	}
	return g.slots.commit(waiting, p.Write, p.lock.row(), try)
}

// commit makes the transactions of a write. Attempts with the same probe run one after
// another. ctx has a deadline.
func (s Slots) commit(ctx context.Context, w Write, probe Key, try func(lockWait time.Duration) error) error {
	err := s.attempt(ctx, probe, try)
	if !errors.Is(err, ErrLocked) {
		return err
	}
	return s.waitForLock(ctx, lockOf(w, err).row(), try)
}

// endSolo releases the keys of a write whose solo transaction has ended. If that has
// committed, no other solo write holds the keys either: later writes would else be solo for
// as long as writes with the keys arrive without a pause.
func (g *Group) endSolo(o outcome) {
	g.solo--
	if errors.Is(o.err, ErrRefused) {
		g.quarantine.add(o.Source(), time.Now())
	}
	for _, key := range o.lock.keys {
		held := g.held[key]
		if held == nil {
			continue
		}
		held.remove(o.pending)
		if len(held.writes) == 0 || o.err == nil { // the write had the lock, so the row is free
			delete(g.held, key)
		}
	}
}

// expected returns the lock that a write has to expect: the keys of w that solo writes hold.
// The other keys of w are free. A key that the database has named is returned alone.
func (g *Group) expected(w Write) (l lock) {
	for _, key := range w.Keys() {
		switch held := g.held[key]; {
		case held == nil:
		case held.named > 0:
			return lock{[]Key{key}, true}
		default:
			l.keys = append(l.keys, key)
		}
	}
	return l
}

// CommitSolo commits one write in a transaction of its own, without a [Group]. It returns
// ErrBusy when a row stays locked for SoloLockWait.
func CommitSolo(ctx context.Context, c Committer, slots Slots, w Write) error {
	waiting, cancel := bounded(ctx)
	defer cancel()
	return slots.commit(waiting, w, Key{}, func(lockWait time.Duration) error { return c.Commit(ctx, []Write{w}, lockWait) })
}
