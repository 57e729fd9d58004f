package group

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// batchMost bounds the writes of one transaction. A longer transaction would keep
	// other writers of the log waiting for longer.
	batchMost = 200
	// queueMost bounds the writes that wait for a transaction. Further ones get ErrBusy.
	queueMost = 4096
	// soloMost bounds the writes that wait for a solo transaction, or are in one.
	// Further ones get ErrBusy.
	soloMost = 1024
	// rowMost bounds the writes of them that wait for one row. Further ones get ErrBusy.
	rowMost = soloMost / 4
)

// A Group commits the writes of many callers together. [Group.Submit] may be called
// from any goroutine.
type Group struct {
	committer Committer
	slots     Slots
	queue     chan *pending
	closed    chan struct{} // closed when Run has ended

	// These fields belong to the goroutine of Run.

	solo       int              // writes that wait for a solo transaction, or are in one
	held       map[Key]*holders // each has at least one write
	finished   chan outcome     // of solo transactions
	quarantine quarantine

	transactions, writes, soloWrites atomic.Int64 // Stats
}

// New returns a group that commits once Run is called. The slots bound its solo
// transactions. The caller may use them for other transactions, too.
func New(c Committer, slots Slots) *Group {
	return &Group{
		committer:  c,
		slots:      slots,
		queue:      make(chan *pending, queueMost),
		closed:     make(chan struct{}),
		held:       make(map[Key]*holders),
		finished:   make(chan outcome),
		quarantine: make(quarantine),
	}
}

// Submit puts a write into the queue and waits for its outcome. It returns nil when the
// transaction has committed, ErrBusy, ErrClosed, or the Committer's error. If ctx ends
// first, it returns ctx.Err(): the write is dropped if its transaction has not begun, and
// may otherwise still be committed, so the caller must not read w.
func (g *Group) Submit(ctx context.Context, w Write) error {
	p := &pending{Write: w, caller: ctx, done: make(chan struct{})}
	select {
	case g.queue <- p:
	default:
		return ErrBusy
	}
	select {
	case <-p.done:
		return p.err
	case <-g.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run commits until ctx ends, then waits for the transactions that are under way and
// returns nil. Writes that are still in the queue then get ErrClosed.
func (g *Group) Run(ctx context.Context) error {
	defer close(g.closed)
	for {
		select {
		case <-ctx.Done():
			for ; g.solo > 0; g.solo-- { // the context of the solo transactions has ended, too
				<-g.finished
			}
			return nil
		case o := <-g.finished:
			g.endSolo(o)
		case p := <-g.queue:
			g.dispatch(ctx, g.gather(p))
		}
	}
}

// gather takes the writes that are in the queue behind the first one.
func (g *Group) gather(first *pending) []*pending {
	gathered := []*pending{first}
	for len(gathered) < batchMost {
		select {
		case p := <-g.queue:
			gathered = append(gathered, p)
		default:
			return gathered
		}
	}
	return gathered
}

// dispatch commits in one transaction the gathered writes that are expected to succeed,
// and starts solo transactions for the others.
func (g *Group) dispatch(ctx context.Context, gathered []*pending) {
	var batch []*pending
	for _, p := range gathered {
		switch {
		case p.caller.Err() != nil: // the caller has left, and nothing was written
			p.finish(p.caller.Err())
		case p.Risky(), g.quarantine.has(p.Source(), time.Now()):
			g.startSolo(ctx, p, lock{}, false)
		default:
			if l := g.expected(p); len(l.keys) > 0 {
				g.startSolo(ctx, p, l, false)
				continue
			}
			batch = append(batch, p)
		}
	}
	if len(batch) > 0 {
		g.commit(ctx, batch, batchLockWait)
	}
}

// Stats count the writes of a group.
type Stats struct {
	Waiting      int   // writes in the queue now
	Transactions int64 // committed transactions of batches
	Writes       int64 // writes in committed batches
	Solo         int64 // writes for which a solo transaction was started
}

// Stats returns the current figures. It may be called from any goroutine.
func (g *Group) Stats() Stats {
	return Stats{len(g.queue), g.transactions.Load(), g.writes.Load(), g.soloWrites.Load()}
}
