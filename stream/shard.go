package stream

import (
	"iter"
	"sync"
)

// A shard is one worker and its share of the hub's subscriptions. The hub offers each
// batch to every shard, which marks the subscriptions it concerns; the worker then
// serves each marked one once, with all that waits for it. No shard waits for another,
// and none for a reader.
type shard struct {
	hub  *Hub
	bell chan struct{} // a doorbell of the worker: something is marked

	// mu guards what follows, and the state of the shard's subscriptions. Nothing is
	// read, written or encoded under it.
	mu        sync.Mutex
	audiences map[Topic]*audience
	size      int    // subscriptions in it
	head      Cursor // every event up to it was offered
	breaks    int    // the hub's, as of the head
	closed    bool
	deserted  bool            // its worker has gone
	marked    []*Subscription // to be served by the worker
	wheel     wheel
	pace      pace
	count     Stats // of what the worker and its subscriptions did
}

// An audience is the subscriptions of one topic in one shard.
type audience struct {
	topic Topic
	subs  []*Subscription
}

// A seat is a subscription's place in an audience.
type seat struct {
	audience *audience
	index    int
}

func newShard(h *Hub) *shard {
	return &shard{
		hub: h, bell: make(chan struct{}, 1), audiences: make(map[Topic]*audience),
		wheel: newWheel(), pace: newPace(), count: newStats(),
	}
}

// seatAll gives a subscription its place in the audience of each topic.
func (l *shard) seatAll(s *Subscription, topics []Topic) {
	s.seats = make([]seat, len(topics))
	for i, t := range topics {
		a := l.audiences[t]
		if a == nil {
			a = &audience{topic: t}
			l.audiences[t] = a
		}
		s.seats[i] = seat{a, len(a.subs)}
		a.subs = append(a.subs, s)
	}
	l.size++
	l.count.Readers[s.transport]++
}

// unseat takes a subscription out of all audiences: the last of each moves into its
// place. It reports false, and does nothing, the second time.
func (l *shard) unseat(s *Subscription) bool {
	if s.seats == nil {
		return false
	}
	for _, place := range s.seats {
		a := place.audience
		last := a.subs[len(a.subs)-1]
		a.subs[place.index] = last
		last.reseat(a, place.index)
		a.subs[len(a.subs)-1] = nil
		a.subs = a.subs[:len(a.subs)-1]
		if len(a.subs) == 0 {
			delete(l.audiences, a.topic)
		}
	}
	s.seats = nil
	l.size--
	l.wheel.remove(s)
	s.setBehind(false)
	s.drop()
	if s.reading {
		l.hub.replays.forget(s)
	}
	l.count.Readers[s.transport]--
	return true
}

func (s *Subscription) reseat(a *audience, index int) {
	for i := range s.seats {
		if s.seats[i].audience == a {
			s.seats[i].index = index
			return
		}
	}
}

// offer hands a batch out: the events that follow the shard's head, up to the next.
func (l *shard) offer(frames []*Frame, head Cursor) {
	now := l.hub.now()
	l.mu.Lock()
	for _, f := range frames {
		a := l.audiences[f.Topic]
		if a == nil {
			continue
		}
		released := l.pace.admit(f, a, now)
		for _, s := range a.subs {
			s.offer(f, released)
		}
	}
	l.head = head
	l.mu.Unlock()
	l.ring()
}

// broadcast hands out an ephemeral event.
func (l *shard) broadcast(f *Frame) {
	l.mu.Lock()
	if a := l.audiences[f.Topic]; a != nil {
		for _, s := range a.subs {
			s.offerState(f)
		}
	}
	l.mu.Unlock()
	l.ring()
}

// renew is for an epoch that begins where the hub is: who has seen more than the hub,
// from the log or another instance, may have seen what is lost, and judges its cursor.
func (l *shard) renew(state State, breaks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaks = breaks
	for s := range l.all() {
		if seen := further(s.cursor, s.reach); s.live && seen.Position > state.endOf(seen.Epoch) {
			s.fallBehind()
		}
	}
}

// restart begins anew at the head of a log that broke off.
func (l *shard) restart(head Cursor, breaks int) {
	l.mu.Lock()
	l.head, l.breaks = head, breaks
	for s := range l.all() {
		s.fallBehind()
	}
	l.mu.Unlock()
	l.ring()
}

// close ends all subscriptions, each by its owner or the worker.
func (l *shard) close() {
	l.mu.Lock()
	l.closed = true
	for s := range l.all() {
		s.mark()
	}
	l.mu.Unlock()
	l.ring()
}

// all yields every subscription, those of several topics several times.
func (l *shard) all() iter.Seq[*Subscription] {
	return func(yield func(*Subscription) bool) {
		for _, a := range l.audiences {
			for _, s := range a.subs {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// ring tells the worker that something is marked.
func (l *shard) ring() {
	select {
	case l.bell <- struct{}{}:
	default: // it rings already
	}
}
