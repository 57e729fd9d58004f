package stream

// After an answer that leaves a connection usable, the hub keeps the connection and reads the
// next request itself. Its poll has the same LongPoll, socket and place in the shard, so that
// a reader that polls again costs little more than one that streams.
//
// Between two polls the subscription is paused: it keeps its topics, gets no events and is
// not counted as a reader. The [PollCaller] decides which requests the hub may answer. All
// others are given back with their bytes.

// maxRequest is the largest request that a worker reads. A larger one is given back.
const maxRequest = 16 << 10

// rest implements [composer].
func (p *LongPoll) rest(w *worker, end End) bool {
	if end != EndAnswered || p.conn.Pending() > 0 || !p.conn.Clean() || !w.shard.pause(&p.sub) {
		return false
	}
	p.unsent.release(p.address)
	p.caller.Ended(end)
	p.ending, p.idleUntil = "", w.now+p.caller.Idle()
	p.arm(w, step{due: p.idleUntil})
	return true
}

// serve implements [owner].
func (p *LongPoll) serve(w *worker) {
	if p.idleUntil == 0 {
		p.driver.serve(w)
		return
	}
	over, gone, readable := w.shard.unmarkPaused(&p.sub)
	switch {
	case over:
		p.release(w, false, nil)
	case readable:
		p.read(w, gone)
	case gone || w.now >= p.idleUntil:
		p.release(w, false, nil)
	default:
		p.arm(w, step{due: p.idleUntil})
	}
}

// read reads the next request, and begins its poll or gives the connection back. gone says
// that the client has closed its end.
func (p *LongPoll) read(w *worker, gone bool) {
	if w.request == nil {
		w.request = make([]byte, maxRequest+1)
	}
	n, err := p.conn.Read(w.request, w.now)
	switch {
	case err != nil || n == 0 && (gone || w.now >= p.idleUntil):
		p.release(w, false, nil)
		return
	case n == 0:
		p.arm(w, step{due: p.idleUntil})
		return
	}
	request := w.request[:n]
	if gone || n > maxRequest || !p.again(w, request) {
		p.release(w, true, request)
	}
}

// again begins the next poll. It reports false if the hub must not answer the request.
func (p *LongPoll) again(w *worker, request []byte) bool {
	cfg, ok := p.caller.Next(request)
	if !ok || !p.sub.restart(cfg) {
		return false
	}
	p.configure(cfg, w.now)
	p.keep, p.idleUntil = true, 0
	p.proceed(w, false)
	return true
}

// finish implements [owner].
func (p *LongPoll) finish(w *worker, end End) {
	if p.idleUntil == 0 {
		p.driver.finish(w, end)
		return
	}
	p.release(w, false, nil)
}

// release gives an idle connection back, with the bytes that were read from it, or closes it.
func (p *LongPoll) release(w *worker, keep bool, read []byte) {
	c := p.conn.Release(w.shard.hub.poller, keep)
	w.shard.mu.Lock()
	open := w.shard.removeLocked(&p.sub)
	w.shard.mu.Unlock()
	if open {
		p.caller.Return(c, read)
	}
}

// pause makes a subscription get no events until restart is called. It reports false if the
// subscription has to be closed instead: the hub closes or drains, or a read of the log for
// it has not ended.
func (sh *shard) pause(s *Subscription) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || s.entry.drainAt > 0 || s.entry.reading || s.entry.closed() {
		return false
	}
	sh.count.Ended[Ended{s.transport, EndAnswered}]++
	sh.uncountLocked(s)
	s.entry.paused = true
	s.at = position{}
	s.backlog.clear()
	s.fault, s.most = nil, 0
	if s.entry.readable {
		sh.markLocked(s)
	}
	return true
}

// unmarkPaused removes the mark of a paused subscription. over reports that the hub has ended
// it, gone that its connection is gone, and readable that the client has sent bytes since the
// last call.
func (sh *shard) unmarkPaused(s *Subscription) (over, gone, readable bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	readable = s.entry.readable
	s.entry.marked, s.entry.readable = false, false
	return s.overLocked() || s.entry.closed(), s.entry.gone, readable
}

// restart makes a paused subscription the reader of the next poll. It reports false, and
// changes nothing, if the hub ends the subscription, or if the events after the cursor are
// not in memory or more than partBytes.
func (s *Subscription) restart(cfg PollConfig) bool {
	from, ok := cfg.Start.Cursor()
	if !ok {
		return false
	}
	if s.tryRestart(cfg, from, ringResult{}) { // at the head
		return true
	}
	found := s.shard.hub.recent(from, cfg.Topics)
	return found.covered && fit(found.frames, partBytes) == len(found.frames) && s.tryRestart(cfg, from, found)
}

// tryRestart restarts a subscription at a cursor after which the ring has the events found.
// At the head of the shard there are none.
func (s *Subscription) tryRestart(cfg PollConfig, from Cursor, found ringResult) bool {
	sh := s.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	atHead := from == sh.head
	if s.overLocked() || s.entry.drainAt > 0 || !atHead && (!found.covered || found.breaks != sh.breaks) {
		return false
	}
	if !s.entry.reads(cfg.Topics) {
		sh.leaveLocked(s)
		sh.enterLocked(s, cfg.Topics)
	}
	s.entry.paused, s.presence = false, cfg.Presence
	s.at.begin(cfg.Start, sh.head, Cursor{})
	sh.countLocked(s)
	if !atHead {
		sh.count.RingReads++
		s.arriveLocked(found.frames, found.reach, true)
	}
	return true
}

// reads reports whether the topics of the subscription are these, in this order.
func (e *entry) reads(topics []Topic) bool {
	if len(e.memberships) != len(topics) {
		return false
	}
	for i, m := range e.memberships {
		if m.audience.topic != topics[i] {
			return false
		}
	}
	return true
}
