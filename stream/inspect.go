package stream

import (
	"cmp"
	"slices"
	"time"
)

// A ReaderState describes a reader that has not taken all events yet.
type ReaderState struct {
	Transport Transport
	Topics    []Topic
	Waiting   int   // events that wait for it in memory
	Lag       int64 // positions of the log after its cursor, those of other topics too
	Behind    bool  // it reads on from the ring or the log
}

// A RecentEvent describes an event without its data.
type RecentEvent struct {
	Cursor    Cursor
	Name      Name
	Topic     Topic
	Committed time.Time // zero if it is not known
	Bytes     int       // of the block of an event stream
}

// Slowest returns the readers that lag most, at most n, the slowest first. It looks at each
// reader once for each topic, under the locks of the shards: some milliseconds for 100,000
// readers.
func (h *Hub) Slowest(n int) []ReaderState {
	var slowest []ReaderState
	for _, sh := range h.shards {
		sh.mu.Lock()
		for _, a := range sh.audiences {
			for _, s := range a.subs {
				if s.entry.memberships[0].audience == a && !s.entry.paused && !s.drainedLocked() { // once for each reader
					slowest = insertSlow(slowest, s.stateLocked(sh.head), n)
				}
			}
		}
		sh.mu.Unlock()
	}
	return slowest
}

// insertSlow adds a reader to a list that is in order, and keeps n of it.
func insertSlow(list []ReaderState, r ReaderState, n int) []ReaderState {
	at, _ := slices.BinarySearchFunc(list, r, func(a, b ReaderState) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.Waiting, a.Waiting))
	})
	if at >= n {
		return list
	}
	list = slices.Insert(list, at, r)
	return list[:min(len(list), n)]
}

// stateLocked describes the reader. head is that of its shard.
func (s *Subscription) stateLocked(head Cursor) ReaderState {
	r := ReaderState{
		Transport: s.transport, Waiting: len(s.backlog.frames),
		Lag: max(0, head.Position-s.at.cursor.Position), Behind: !s.at.live,
	}
	for _, m := range s.entry.memberships {
		r.Topics = append(r.Topics, m.audience.topic)
	}
	return r
}

// Recent returns the newest events that are in memory, at most n, the newest first.
func (h *Hub) Recent(n int) []RecentEvent {
	h.mu.RLock()
	frames := slices.Clone(h.ring.frames[max(0, len(h.ring.frames)-n):])
	h.mu.RUnlock()
	slices.Reverse(frames)
	events := make([]RecentEvent, len(frames))
	for i, f := range frames {
		events[i] = RecentEvent{f.Cursor, f.Name, f.Topic, f.Committed, len(f.SSE())}
	}
	return events
}
