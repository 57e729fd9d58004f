package stream

// How a subscription that is behind reads on: from the ring if that has what follows its
// reach, else from the log, until it is live.

// fallBehindLocked makes the reader read on from its cursor, as soon as it can.
func (s *Subscription) fallBehindLocked() {
	if s.at.live {
		s.shard.count.Behind++
	}
	s.at.fallBehind()
	s.backlog.clear()
	s.shard.markLocked(s)
}

// fetch gets what follows the reach of a reader that is behind: from the ring at once, or
// from the log, after which the subscription is marked. It may also do nothing, because
// the subscription has changed meanwhile; the caller then looks again.
func (s *Subscription) fetch() {
	h, sh := s.shard.hub, s.shard
	sh.mu.Lock()
	from, topics := s.at.reach, s.entry.topics()
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
	h.replays.add(&replay{sub: s, topics: topics, from: from, breaks: found.breaks})
}

// A find is the result of a search of the ring.
type find struct {
	frames  []*Frame
	reach   Cursor // of what was searched
	breaks  int    // the hub's at the time of the search
	covered bool   // false: only the log can tell what follows
}

// recent searches the ring for events of the topics after a cursor.
func (h *Hub) recent(from Cursor, topics []Topic) find {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if from.Position < h.ring.after || from.Position > min(h.tip.Position, h.state.endOf(from.Epoch)) {
		return find{reach: from, breaks: h.breaks}
	}
	frames, through, done := h.ring.scan(from.Position, topics)
	reach := h.tip
	if !done {
		reach = h.state.Cursor(through)
	}
	return find{frames: frames, reach: reach, breaks: h.breaks, covered: true}
}

// arriveLocked gives a reader that is behind the frames that follow its reach, up to a new
// one. short says that they are few.
func (s *Subscription) arriveLocked(frames []*Frame, reach Cursor, short bool) {
	s.backlog.fill(frames, short && !s.at.overflowed)
	s.at.arrive(reach, s.shard.head, len(frames) == 0)
	if s.at.live {
		s.shard.count.Behind--
	}
}

// answer gives a reader the outcome of its replay, under the lock of the shard.
func (s *Subscription) answer(p *replay, outcomeLocked func()) {
	sh := s.shard
	sh.mu.Lock()
	s.entry.reading = false
	if !s.entry.closed() {
		if p.breaks == sh.breaks {
			outcomeLocked()
		} // else it was read from a history that may be over: the reader fetches again
		sh.markLocked(s)
	}
	sh.mu.Unlock()
	sh.wake()
}
