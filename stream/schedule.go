package stream

import "time"

// A shard marks a subscription that has something to do: frames, a timer that has fired, a
// change of its connection, or its end. If the subscription has an owner, the worker of the
// shard then runs the owner once. Otherwise the mark wakes the goroutine that waits for
// Subscription.ready.

// An entry is the state of a subscription in its shard. The lock of the shard guards it.
type entry struct {
	marked      bool          // the worker will serve the subscription
	gone        bool          // the connection has ended
	readable    bool          // the client has sent bytes that were not read
	paused      bool          // see again.go
	reading     bool          // a replay of the subscription waits or is read
	drainAt     time.Duration // when the subscription ends because the hub drains; 0: never
	memberships []membership  // one for each topic; nil when the subscription is closed
	timer       timer         // place in the timer wheel
}

// A membership is the place of a subscription in an audience.
type membership struct {
	audience *audience
	index    int
}

func (e *entry) closed() bool { return e.memberships == nil }

// topics returns the topics of the subscription; none if it is closed.
func (e *entry) topics() []Topic {
	topics := make([]Topic, len(e.memberships))
	for i := range e.memberships {
		topics[i] = e.memberships[i].audience.topic
	}
	return topics
}

// moved stores the new index of the subscription in an audience.
func (e *entry) moved(a *audience, index int) {
	for i := range e.memberships {
		if e.memberships[i].audience == a {
			e.memberships[i].index = index
			return
		}
	}
}

// markLocked marks a subscription, or wakes the goroutine that waits for it. The caller calls
// wake after it has released the lock.
func (sh *shard) markLocked(s *Subscription) {
	if s.owner == nil {
		select {
		case s.ready <- struct{}{}:
		default: // a token is already there
		}
		return
	}
	if !s.entry.marked {
		s.entry.marked = true
		sh.marked = append(sh.marked, s)
	}
}

// mark marks a subscription, so that the worker serves it after the others that are marked.
func (sh *shard) mark(s *Subscription) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.markLocked(s)
}

// unmark removes the mark before the worker serves a subscription. It reports whether the
// connection is gone.
func (sh *shard) unmark(s *Subscription) (gone bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.entry.marked = false
	return s.entry.gone || s.entry.closed()
}

// assign sets the owner of a subscription, and marks the subscription. Without an owner, a
// mark wakes the goroutine that waits for ready. assign returns ErrClosed if there is an
// owner and the worker has stopped.
func (sh *shard) assign(s *Subscription, o owner) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case o != nil && sh.stopped:
		return ErrClosed
	case o != nil:
		s.ready = nil
	case s.ready == nil:
		s.ready = make(chan struct{}, 1)
	}
	s.owner = o
	sh.markLocked(s)
	sh.wake()
	return nil
}

// connectionChanged marks a subscription whose connection can be written or read again, or
// is gone.
func (sh *shard) connectionChanged(s *Subscription, readable, gone bool) {
	sh.mu.Lock()
	if !s.entry.closed() {
		s.entry.gone = s.entry.gone || gone
		s.entry.readable = s.entry.readable || readable
		sh.markLocked(s)
	}
	sh.mu.Unlock()
	sh.wake()
}

// setTimer sets the only timer of a subscription, which marks it. It returns the time at
// which the timer fires: up to one slot of the wheel later than at, or earlier if at is more
// than one turn of the wheel away.
func (sh *shard) setTimer(s *Subscription, at time.Duration) time.Duration {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.entry.closed() {
		return at
	}
	if s.entry.drainAt > 0 {
		at = min(at, s.entry.drainAt)
	}
	return sh.wheel.set(s, at)
}

// wake tells the worker that a subscription is marked.
func (sh *shard) wake() {
	select {
	case sh.marks <- struct{}{}:
	default: // a token is already there
	}
}
