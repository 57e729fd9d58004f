package stream

import (
	"context"
	"time"
)

// A worker serves the marked subscriptions of a shard. All of them share its output.
type worker struct {
	output
	shard   *shard
	request []byte // buffer for the next request of a poll; made for the first one
}

// tickEvery is the number of readers that a worker serves between two reads of the clock.
const tickEvery = 64

func newWorker(sh *shard) *worker {
	w := &worker{shard: sh}
	w.bytes = make([]byte, 0, 2*partBytes)
	w.bodies = make(bodies)
	return w
}

// run serves the subscriptions of the shard until ctx ends, and then ends the remaining
// readers.
func (sh *shard) run(ctx context.Context) {
	w := newWorker(sh)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []*Subscription
	for {
		var wait time.Duration
		if batch, wait = sh.due(batch[:0], sh.hub.now()); len(batch) > 0 {
			w.serve(batch)
			clear(batch)
			continue
		}
		clear(w.bodies)
		timer.Reset(wait)
		select {
		case <-sh.marks:
		case <-timer.C:
		case <-ctx.Done():
			w.stop()
			return
		}
	}
}

// due marks the subscriptions whose timer has fired, and returns all marked subscriptions.
// The shard then collects marks in the array of batch. If there are no marked subscriptions,
// the worker waits for the time wait or for a mark.
func (sh *shard) due(batch []*Subscription, now time.Duration) (marked []*Subscription, wait time.Duration) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.wheel.turn(now, sh.markLocked)
	sh.pace.release(now)
	marked, sh.marked = sh.marked, batch
	return marked, min(sh.wheel.next(now), sh.pace.next(now))
}

// serve runs the driver of each subscription once.
func (w *worker) serve(batch []*Subscription) {
	for i, s := range batch {
		if i%tickEvery == 0 {
			w.tick(w.shard.hub)
		}
		s.owner.serve(w)
	}
	if w.cost.answers > 0 {
		w.cost.measure(len(w.shard.hub.shards), cpuTime)
	}
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	w.count.flush(&w.shard.count)
}

// stop closes the shard and ends the readers whose connections were taken over. They get no
// stream.bye: Drain, which sends it, has to be called before the hub stops.
func (w *worker) stop() {
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
