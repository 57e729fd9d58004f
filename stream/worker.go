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

func newWorker(sh *shard) *worker {
	w := &worker{shard: sh}
	w.bytes = make([]byte, 0, 2*partBytes)
	return w
}

// run serves until ctx ends, and then ends what the shard still serves.
func (sh *shard) run(ctx context.Context) {
	w := newWorker(sh)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []*Subscription
	for {
		var wait time.Duration
		if batch, wait = sh.due(batch[:0], sh.hub.now()); len(batch) > 0 {
			w.serveAll(batch)
			clear(batch)
		} else {
			timer.Reset(wait)
			select {
			case <-sh.marks:
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
func (sh *shard) due(batch []*Subscription, now time.Duration) ([]*Subscription, time.Duration) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.wheel.turn(now, sh.markLocked)
	sh.pace.release(now)
	batch, sh.marked = sh.marked, batch
	return batch, min(sh.wheel.next(now), sh.pace.next(now))
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
	w.shard.closed, w.shard.stopped = true, true
	var left []*Subscription
	for s := range w.shard.allLocked() {
		if s.owner != nil {
			left = append(left, s)
		}
	}
	w.shard.mu.Unlock()
	for _, s := range left {
		s.owner.finish(w, EndShutdown)
	}
}
