package stream

import "time"

// How a shard schedules its subscriptions. A subscription that has something to do is
// marked. The worker of the shard then runs its driver once, or the goroutine that waits
// for ready wakes up.

// An entry is what a shard knows of one subscription. The lock of the shard guards it.
type entry struct {
	marked      bool          // the worker is about to serve it
	gone        bool          // its connection has ended
	reading     bool          // the log is being read for it
	drainAt     time.Duration // when it has to end because the hub drains; 0: not yet
	memberships []membership  // one for each topic; nil when the subscription is closed
	timer       timer         // its place in the timer wheel
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

// moved notes a new index in an audience.
func (e *entry) moved(a *audience, index int) {
	for i := range e.memberships {
		if e.memberships[i].audience == a {
			e.memberships[i].index = index
			return
		}
	}
}

// markLocked has a subscription served.
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

// mark has a subscription served once more, after the others that are marked.
func (sh *shard) mark(s *Subscription) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.markLocked(s)
}

// unmark takes the mark off before the worker serves a subscription. It reports whether
// its connection is gone.
func (sh *shard) unmark(s *Subscription) (gone bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.entry.marked = false
	return s.entry.gone || s.entry.closed()
}

// assign says what a mark wakes from now on, and marks the subscription: the worker, which
// runs the owner, or without an owner the goroutine that waits for ready. It returns
// ErrClosed if the worker has stopped.
func (sh *shard) assign(s *Subscription, owner *driver) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case owner != nil && sh.stopped:
		return ErrClosed
	case owner != nil:
		s.ready = nil
	case s.ready == nil:
		s.ready = make(chan struct{}, 1)
	}
	s.owner = owner
	sh.markLocked(s)
	sh.wake()
	return nil
}

// connectionChanged has a subscription served because its connection can be written or
// read again, or is gone.
func (sh *shard) connectionChanged(s *Subscription, gone bool) {
	sh.mu.Lock()
	if !s.entry.closed() {
		s.entry.gone = s.entry.gone || gone
		sh.markLocked(s)
	}
	sh.mu.Unlock()
	sh.wake()
}

// setTimer has a subscription served at a time or up to a slot of the wheel later, and at
// no other time. It returns when that will be: earlier if the time is far off.
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
