package stream

import (
	"iter"
	"sync"
)

// A shard has one worker and a part of the hub's subscriptions. The hub offers each batch to
// every shard, which marks the subscriptions to the topics of the batch. The worker then
// serves each marked subscription once, with all frames that wait for it. No shard waits for
// another shard or for a reader.
type shard struct {
	hub   *Hub
	marks chan struct{} // holds a token when a subscription is marked

	// mu guards the fields below and the state of the shard's subscriptions. Nothing is
	// read, written or encoded under it.
	mu        sync.Mutex
	audiences map[Topic]*audience
	size      int    // number of subscriptions
	head      Cursor // every event up to it was offered
	breaks    int    // Hub.breaks at the time of head
	closed    bool   // the hub has closed
	stopped   bool   // the worker has stopped
	marked    []*Subscription
	wheel     wheel
	pace      pace
	count     Stats // figures of the worker and the subscriptions
}

// An audience has the subscriptions to one topic in one shard.
type audience struct {
	topic Topic
	subs  []*Subscription
}

func newShard(h *Hub) *shard {
	return &shard{
		hub: h, marks: make(chan struct{}, 1), audiences: make(map[Topic]*audience),
		wheel: newWheel(), pace: newPace(), count: newStats(),
	}
}

// addLocked adds a subscription.
func (sh *shard) addLocked(s *Subscription, topics []Topic) {
	sh.enterLocked(s, topics)
	sh.size++
	sh.countLocked(s)
}

// countLocked counts a subscription as a reader, uncountLocked takes it back.
func (sh *shard) countLocked(s *Subscription) {
	sh.count.Readers[s.transport]++
	if !s.at.live {
		sh.count.Behind++
	}
}

func (sh *shard) uncountLocked(s *Subscription) {
	sh.count.Readers[s.transport]--
	if !s.at.live {
		sh.count.Behind--
	}
}

// enterLocked adds a subscription to the audience of each topic.
func (sh *shard) enterLocked(s *Subscription, topics []Topic) {
	s.entry.memberships = make([]membership, len(topics))
	for i, t := range topics {
		a := sh.audiences[t]
		if a == nil {
			a = &audience{topic: t}
			sh.audiences[t] = a
		}
		s.entry.memberships[i] = membership{a, len(a.subs)}
		a.subs = append(a.subs, s)
	}
}

// leaveLocked removes a subscription from its audiences. In each of them, the last
// subscription moves to the free index.
func (sh *shard) leaveLocked(s *Subscription) {
	for _, m := range s.entry.memberships {
		a := m.audience
		last := len(a.subs) - 1
		a.subs[m.index] = a.subs[last]
		a.subs[m.index].entry.moved(a, m.index)
		a.subs[last] = nil
		if a.subs = a.subs[:last]; last == 0 {
			delete(sh.audiences, a.topic)
		}
	}
	s.entry.memberships = nil
}

// removeLocked removes a subscription from the shard, the timer wheel and the replays. It
// reports whether the subscription was open.
func (sh *shard) removeLocked(s *Subscription) bool {
	if s.entry.closed() {
		return false
	}
	sh.leaveLocked(s)
	sh.size--
	sh.wheel.remove(s)
	s.backlog.clear()
	if s.entry.reading {
		sh.hub.replays.forget(s)
	}
	if !s.entry.paused {
		sh.uncountLocked(s)
	}
	return true
}

// offer gives the frames of a batch to the live subscriptions of their topics, and sets the
// new head of the shard. The frames follow the old head.
func (sh *shard) offer(frames []*Frame, head Cursor) {
	now := sh.hub.now()
	sh.mu.Lock()
	for _, f := range frames {
		a := sh.audiences[f.Topic]
		if a == nil {
			continue
		}
		released := sh.pace.admit(f, a, now)
		for _, s := range a.subs {
			s.offerLocked(f, released)
		}
	}
	sh.head = head
	sh.mu.Unlock()
	sh.wake()
}

// broadcast gives an ephemeral frame to the live subscriptions of its topic.
func (sh *shard) broadcast(f *Frame) {
	sh.mu.Lock()
	if a := sh.audiences[f.Topic]; a != nil {
		for _, s := range a.subs {
			s.offerStateLocked(f)
		}
	}
	sh.mu.Unlock()
	sh.wake()
}

// renew handles a new epoch that begins at the hub's head. A subscription that has read
// past the end of the old epoch may have seen events that no longer exist, so it falls
// behind and its cursor is judged again.
func (sh *shard) renew(state State, breaks int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.breaks = breaks
	for s := range sh.allLocked() {
		if seen := s.at.seen(); s.at.live && seen.Position > state.endOf(seen.Epoch) {
			s.fallBehindLocked()
		}
	}
}

// restart handles a log that does not have the hub's position any more: each subscription
// falls behind, and its cursor is judged again.
func (sh *shard) restart(head Cursor, breaks int) {
	sh.mu.Lock()
	sh.head, sh.breaks = head, breaks
	for s := range sh.allLocked() {
		s.fallBehindLocked()
	}
	sh.mu.Unlock()
	sh.wake()
}

// close ends all subscriptions. It marks each of them, and the next take returns ErrClosed.
func (sh *shard) close() {
	sh.mu.Lock()
	sh.closed = true
	for s := range sh.allLocked() {
		sh.markLocked(s)
	}
	sh.mu.Unlock()
	sh.wake()
}

// allLocked yields every subscription, once for each of its topics.
func (sh *shard) allLocked() iter.Seq[*Subscription] {
	return func(yield func(*Subscription) bool) {
		for _, a := range sh.audiences {
			for _, s := range a.subs {
				if !yield(s) {
					return
				}
			}
		}
	}
}
