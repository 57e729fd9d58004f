package stream

import (
	"cmp"
	"time"
)

// A subscription that is behind reads the frames after its reach until it is live: from the
// ring if the ring still has all of them, otherwise from the log.

// fallBehindLocked puts a subscription behind. Its backlog is emptied, and it reads on from
// its cursor when it is served next.
func (s *Subscription) fallBehindLocked() {
	if s.entry.paused {
		return
	}
	if s.at.live {
		s.shard.count.Behind++
	}
	s.at.fallBehind()
	s.backlog.clear()
	s.shard.markLocked(s)
}

// fetch gets the next frames for a reader that is behind. If the ring has them, they are in
// the backlog when fetch returns. Otherwise it asks for a read of the log, after which the
// subscription is marked. If the subscription has changed meanwhile, fetch does nothing, and
// the caller has to check the subscription again.
func (s *Subscription) fetch() {
	h, sh := s.shard.hub, s.shard
	sh.mu.Lock()
	from, topics, most := s.at.reach, s.entry.topics(), int(s.most)
	sh.mu.Unlock()
	found := h.recent(from, topics)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case s.entry.closed() || s.at.live || s.entry.reading || found.breaks != sh.breaks:
		return
	case found.covered:
		sh.count.RingReads++
		s.arriveLocked(found.frames, found.reach, len(found.frames) < chunkFrames/4)
		return
	}
	sh.count.LogReads++
	s.entry.reading = true
	h.replays.add(&replay{sub: s, topics: topics, from: from, most: cmp.Or(most, replayFrames), breaks: found.breaks})
}

// A ringResult is the result of a search of the ring.
type ringResult struct {
	frames  []*Frame
	reach   Cursor // last position that was searched
	breaks  int    // Hub.breaks at the time of the search
	covered bool   // false: the ring does not have all frames after the cursor
}

// staleAfter is how long after the last read of the log the ring may be used. An instance
// that cannot read the log does not learn which texts were removed.
const staleAfter = 10 * time.Second

// staleLocked reports whether the log could not be read for longer than staleAfter.
func (h *Hub) staleLocked() bool { return h.now()-h.read > max(staleAfter, 2*h.cfg.Tick) }

// recent searches the ring for events of the topics after a cursor.
func (h *Hub) recent(from Cursor, topics []Topic) ringResult {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.staleLocked() || from.Position < h.ring.after || from.Position > min(h.tip.Position, h.state.endOf(from.Epoch)) {
		return ringResult{reach: from, breaks: h.breaks}
	}
	frames, through, done := h.ring.scan(from.Position, topics)
	reach := h.tip
	if !done {
		reach = h.state.Cursor(through)
	}
	return ringResult{frames: frames, reach: reach, breaks: h.breaks, covered: true}
}

// arriveLocked puts the frames after the reach of a reader that is behind into its backlog.
// They are all frames of its topics up to the new reach. short says that the frames are few
// enough to be delivered without conflation.
func (s *Subscription) arriveLocked(frames []*Frame, reach Cursor, short bool) {
	s.backlog.fill(frames, short && !s.at.overflowed)
	s.at.arrive(reach, s.shard.head, len(frames) == 0)
	if s.at.live {
		s.shard.count.Behind--
	}
}

// answer calls outcomeLocked, which gives a reader the result of its replay, under the lock
// of the shard. It does not if the subscription is closed or the history has changed.
func (s *Subscription) answer(p *replay, outcomeLocked func()) {
	sh := s.shard
	sh.mu.Lock()
	s.entry.reading = false
	if !s.entry.closed() {
		if p.breaks == sh.breaks {
			outcomeLocked()
		} // else the read may be of a history that has ended: the reader fetches again
		sh.markLocked(s)
	}
	sh.mu.Unlock()
	sh.wake()
}
