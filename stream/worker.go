package stream

import (
	"context"
	"time"
)

// A worker serves the marked subscriptions of a shard. What it holds is scratch space
// that all of them share: none keeps a buffer of its own while it has nothing to write.
type worker struct {
	output
	shard *shard
}

func newWorker(l *shard) *worker {
	w := &worker{shard: l}
	w.bytes = make([]byte, 0, 2*partBytes)
	return w
}

// run serves until ctx ends, and then ends what the shard still serves.
func (l *shard) run(ctx context.Context) {
	w := newWorker(l)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []*Subscription
	for {
		var wait time.Duration
		if batch, wait = l.due(batch[:0], l.hub.now()); len(batch) > 0 {
			w.serveAll(batch)
			clear(batch)
		} else {
			timer.Reset(wait)
			select {
			case <-l.bell:
			case <-timer.C:
			case <-ctx.Done():
				w.abandon()
				return
			}
		}
	}
}

// due takes what is marked, and what the time has come for. When there is none it
// tells how long until then.
func (l *shard) due(batch []*Subscription, now time.Duration) ([]*Subscription, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wheel.turn(now, (*Subscription).mark)
	l.pace.release(now)
	batch, l.marked = l.marked, batch
	return batch, min(l.wheel.next(now), l.pace.next(now))
}

func (w *worker) serveAll(batch []*Subscription) {
	for i, s := range batch {
		if i%64 == 0 {
			w.tick(w.shard.hub)
		}
		s.owner.serve(w)
	}
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	w.count.flush(&w.shard.count)
}

// abandon ends what is still there when the hub stops running: its time to say
// goodbye is over.
func (w *worker) abandon() {
	w.shard.mu.Lock()
	w.shard.closed, w.shard.deserted = true, true
	var left []*Subscription
	for s := range w.shard.all() {
		if s.owner != nil {
			left = append(left, s)
		}
	}
	w.shard.mu.Unlock()
	for _, s := range left {
		s.owner.finish(w, EndShutdown)
	}
}
