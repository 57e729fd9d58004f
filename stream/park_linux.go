package stream

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// spreadMost is over how long the answers to many readers who wait for the same
	// event are spread, and spreadEach how long each of them adds to that: they come
	// back as they were answered.
	spreadMost = 100 * time.Millisecond
	spreadEach = 100 * time.Microsecond
)

// Park has the hub wait in place of a goroutine: when there is something to take, or
// the wait is over, it answers over a connection that nobody else uses any more, and
// owns until then. The subscription is the hub's, too, and closed at the end.
func (s *Subscription) Park(conn net.Conn, p Parking) error {
	k := &parked{sub: s, Parking: p, until: s.shard.hub.now() + time.Until(p.Until)}
	return k.wire.take(conn, s, k)
}

// A parked is a reader who waits for an answer, and then for his socket to take it.
type parked struct {
	Parking
	sub      *Subscription
	wire     wire
	until    time.Duration
	due      time.Duration // of an answer that waits for its turn; 0: none does
	answered bool
}

// serve implements [servant].
func (k *parked) serve(w *worker) {
	left := k.sub.served() || !k.wire.hear(w)
	switch {
	case k.answered && left:
		k.end(w, false)
	case k.answered:
		k.resume(w)
	case left:
		k.answer(w, k.Answer(nil, context.Canceled, false), false)
	case !k.sub.has() && w.now < k.until:
		k.due = 0
		k.sub.arm(k.until)
	case k.spread(w):
		k.sub.arm(k.due)
	default:
		frames, _, err := k.sub.take(nil, k.Limit, Unlimited)
		keep := k.Keep && err == nil && !k.wire.dirty
		k.answer(w, k.Answer(frames, err, keep), keep)
	}
}

// spread reports whether the answer is to wait a moment, because many are due.
func (k *parked) spread(w *worker) bool {
	if k.due == 0 {
		most := min(spreadMost, time.Duration(w.shard.polls())*spreadEach)
		k.due = w.now
		if most >= wheelSlot && w.now < k.until {
			k.due += rand.N(most)
		}
	}
	return w.now < k.due
}

func (l *shard) polls() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count.Readers[Poll] * int64(len(l.hub.shards))
}

// has reports whether there is something to take, for which it may have the log read.
func (s *Subscription) has() bool {
	for {
		s.shard.mu.Lock()
		ready := s.over() || s.fault != nil || s.ripe > 0
		next := s.next()
		s.shard.mu.Unlock()
		if ready || next != fetchNext {
			return ready
		}
		s.fetch()
	}
}

func (k *parked) answer(w *worker, b []byte, keep bool) {
	k.answered, k.Keep = true, keep
	w.count.writes++
	w.count.bytes += int64(len(b))
	w.bytes = append(w.bytes[:chunkRoom], b...)
	if err := k.wire.send(w, false); err != nil {
		k.end(w, false)
		return
	}
	k.resume(w)
}

func (k *parked) resume(w *worker) {
	err := k.wire.flush(w)
	switch {
	case err != nil || k.wire.stalled(w) && !k.wire.empty():
		k.end(w, false)
	case k.wire.empty():
		k.end(w, k.Keep)
	default:
		k.sub.arm(k.wire.limit(w))
	}
}

// abandon implements [servant].
func (k *parked) abandon(w *worker) { k.end(w, false) }

func (k *parked) end(w *worker, keep bool) {
	conn := k.wire.release(w, keep)
	if k.sub.leave() {
		k.Done(conn)
	}
}

// leave closes the subscription, and reports whether it was open.
func (s *Subscription) leave() bool {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	open := s.seats != nil
	s.shard.unseat(s)
	return open
}
