package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// groupMost bounds how many writes share a transaction: a longer one would keep
	// the log's turn from others for longer.
	groupMost = 200
	// queueMost bounds the writes that wait for their transaction; more are ErrBusy.
	queueMost = 4096
	// slowMost bounds the writes that wait in the slow lane; more are ErrBusy.
	slowMost = 1024
)

// A group commits the hot writes of one instance together: while one transaction is
// in flight, the next gathers. An idle instance's single write leaves at once.
//
// Nobody's write depends on another's: a transaction that fails is made in parts, until
// the write that is to blame fails alone. What the database may refuse is written apart
// from the others, in the slow lane, as is for a while whoever was refused; and so is what
// waits for somebody's lock, where it keeps nobody but those who want the same post or
// are the same user.
type group struct {
	store *Store
	queue chan *write

	// What follows belongs to the goroutine of run.

	lane     int            // writes in the slow lane
	held     map[string]int // of these, who wait for a lock, by post and user
	finished chan *write    // what the slow lane is through with
	suspects suspects

	transactions, writes, apart atomic.Int64 // GroupStats

	ended chan struct{} // closed when nothing is committed any more
}

func newGroup(s *Store) *group {
	return &group{
		store:    s,
		queue:    make(chan *write, queueMost),
		held:     make(map[string]int),
		finished: make(chan *write),
		suspects: make(suspects),
		ended:    make(chan struct{}),
	}
}

// submit hands a write over and waits for its outcome. It returns ErrBusy when too
// many wait already. A caller that leaves first leaves the outcome open.
func (g *group) submit(ctx context.Context, w *write) error {
	select {
	case g.queue <- w:
	default:
		return ErrBusy
	}
	select {
	case <-w.done:
		return w.err
	case <-g.ended:
		return ErrUnavailable
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run commits groups until ctx ends; what still waits then is refused.
func (g *group) run(ctx context.Context) error {
	defer close(g.ended)
	for {
		select {
		case <-ctx.Done():
			for ; g.lane > 0; g.lane-- { // its context has ended, too
				<-g.finished
			}
			return nil
		case w := <-g.finished:
			g.release(w)
		case w := <-g.queue:
			g.commit(ctx, g.gather(w))
		}
	}
}

// gather takes what waits behind the first write.
func (g *group) gather(first *write) []*write {
	writes := []*write{first}
	for len(writes) < groupMost {
		select {
		case w := <-g.queue:
			writes = append(writes, w)
		default:
			return writes
		}
	}
	return writes
}

// commit writes together what can be, and sends the rest down the slow lane.
func (g *group) commit(ctx context.Context, writes []*write) {
	var together []*write
	for _, w := range writes {
		switch {
		case w.ctx.Err() != nil: // the client has left, and nothing was written yet
			w.fail(w.ctx.Err())
		case w.doubtful(), g.suspects.has(w, time.Now()):
			g.sendSlow(ctx, w)
		case g.isHeld(w):
			g.sendSlow(ctx, w, w.keys()...)
		default:
			together = append(together, w)
		}
	}
	if len(together) == 0 {
		return
	}
	g.commitTogether(ctx, together, shortLockTimeout)
}

// commitTogether halves a group that the database refused until it has found who is to
// blame: one bad write costs the others a few transactions more, and not one each. Who
// meets a lock would meet it again in each half, and is looked for one by one.
func (g *group) commitTogether(ctx context.Context, writes []*write, timeout time.Duration) {
	err := g.store.commit(ctx, writes, timeout)
	if err == nil {
		g.transactions.Add(1)
		g.writes.Add(int64(len(writes)))
	}
	alone := len(writes) == 1
	switch {
	case err == nil || !retryable(err) || alone && !isLocked(err) && !isKeyTaken(err):
		finish(writes, err)
		g.suspects.note(time.Now(), writes...)
	case alone:
		g.sendSlow(ctx, writes[0], writes[0].keys()...)
	case isLocked(err):
		for _, w := range writes {
			if g.isHeld(w) {
				g.sendSlow(ctx, w, w.keys()...)
				continue
			}
			g.commitTogether(ctx, []*write{w}, searchLockTimeout)
		}
	default:
		half := len(writes) / 2
		g.commitTogether(ctx, writes[:half], timeout)
		g.commitTogether(ctx, writes[half:], timeout)
	}
}

// retryable reports whether the writes of a failed transaction may succeed alone:
// the database was there, and refused.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !errors.Is(translate(err), ErrUnavailable)
}

// sendSlow makes a write apart from the others. What else wants the keys follows it.
func (g *group) sendSlow(ctx context.Context, w *write, keys ...string) {
	if g.lane == slowMost {
		w.fail(ErrBusy)
		return
	}
	g.lane++
	g.apart.Add(1)
	w.holds = keys
	for _, key := range keys {
		g.held[key]++
	}
	go func() {
		select {
		case g.store.patient <- struct{}{}:
			g.store.commitAlone(ctx, w)
			<-g.store.patient
		case <-w.ctx.Done(): // the client has left, and nothing was written yet
			w.fail(w.ctx.Err())
		case <-ctx.Done():
			w.fail(ErrUnavailable)
		}
		g.finished <- w
	}()
}

func (g *group) isHeld(w *write) bool {
	for _, key := range w.keys() {
		if g.held[key] > 0 {
			return true
		}
	}
	return false
}

func (g *group) release(w *write) {
	g.lane--
	g.suspects.note(time.Now(), w)
	for _, key := range w.holds {
		if g.held[key]--; g.held[key] == 0 {
			delete(g.held, key)
		}
	}
}
