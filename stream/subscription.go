package stream

import (
	"context"
	"math"
)

// A Subscription is one reader's place in the events of its topics. Next, Take and Close
// belong to one goroutine at a time.
type Subscription struct {
	hub    *Hub
	topics []Topic
	ready  chan struct{} // holds a token when there may be something to take

	// The rest is guarded by hub.mu.

	cursor    Cursor   // everything at or before it was returned
	live      bool     // the hub offers new frames; otherwise the reader is behind
	backlog   []*Frame // offered and not yet taken; empty when behind
	fromFloor bool     // began at Earliest: a floor that rises before the first read is no gap
}

// Next waits for events of the topics and returns them in order: first those that
// are past, from memory or the log, then live; a caller cannot tell where one ends.
// It returns at most limit frames, at least one unless there is an error.
//
// It returns a *GapError (errors.Is ErrGone) if the cursor is older than the log or
// of another history: the subscription then goes on from the head, and Next may be
// called again. It returns ErrClosed when the hub stops, ctx.Err() when ctx ends,
// and the log's error when a reader that is behind finds it unreadable; after that,
// too, Next may be called again and nothing is lost.
func (s *Subscription) Next(ctx context.Context, limit int) ([]*Frame, error) {
	for {
		frames, err := s.Take(ctx, limit)
		if err != nil || len(frames) > 0 {
			return frames, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Take is Next without the wait for more: it returns no frames when there are none.
// It may still read the log.
func (s *Subscription) Take(ctx context.Context, limit int) ([]*Frame, error) {
	for {
		frames, done, err := s.takeFromMemory(limit)
		if done || err != nil {
			return frames, err
		}
		frames, err = s.takeFromLog(ctx, limit)
		if len(frames) > 0 || err != nil {
			return frames, err
		}
	}
}

// Cursor is where the reader stands: from here another subscription misses and
// repeats nothing. It moves past events of other topics, too, and never back.
func (s *Subscription) Cursor() Cursor {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.advance()
	return s.cursor
}

// advance moves a reader who has seen all that the hub has to the head.
func (s *Subscription) advance() {
	if s.live && len(s.backlog) == 0 && s.hub.head.Position > s.cursor.Position {
		s.cursor = s.hub.head
	}
}

// place is the cursor, and how often the log had broken off when it was taken.
func (s *Subscription) place() (c Cursor, breaks int) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.cursor, s.hub.breaks
}

// Drained reports whether all that the hub has seen was taken.
func (s *Subscription) Drained() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.live && len(s.backlog) == 0
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() { s.hub.remove(s) }

// takeFromMemory takes from the backlog or the ring. It is not done when only the
// log can tell what comes next.
func (s *Subscription) takeFromMemory(limit int) (frames []*Frame, done bool, err error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return nil, true, ErrClosed
		case s.live:
			return s.takeBacklog(limit), true, nil
		case !s.ringCovers():
			return nil, false, nil
		}
		frames, through, end := h.ring.scan(s.cursor.Position, s.topics, limit)
		s.live = end
		s.cursor = h.state.Cursor(through)
		if end {
			s.cursor = h.head
		}
		if len(frames) > 0 {
			return frames, true, nil
		}
	}
}

// ringCovers reports whether the ring has all that follows the cursor, and the
// cursor is of the history that the ring holds.
func (s *Subscription) ringCovers() bool {
	h := s.hub
	return s.cursor.Position >= h.ring.after &&
		s.cursor.Position <= min(h.head.Position, h.state.endOf(s.cursor.Epoch))
}

// takeBacklog takes offered frames.
func (s *Subscription) takeBacklog(limit int) []*Frame {
	n := min(limit, len(s.backlog))
	frames := s.backlog[:n:n]
	s.backlog = s.backlog[n:]
	for _, f := range frames {
		if !f.Ephemeral() {
			s.cursor = f.Cursor
		}
	}
	if len(s.backlog) == 0 {
		s.backlog = nil
	}
	s.advance()
	return frames
}

// takeFromLog reads on from the log, which also judges the cursor.
func (s *Subscription) takeFromLog(ctx context.Context, limit int) ([]*Frame, error) {
	h := s.hub
	select {
	case h.replays <- struct{}{}:
		defer func() { <-h.replays }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	from, breaks := s.place()
	batch, err := h.log.Read(ctx, Query{After: from.Position, Topics: s.topics, Limit: limit})
	if err != nil {
		return nil, err
	}
	if gap := batch.State.Judge(from); gap != nil {
		return nil, s.cross(gap, batch.State)
	}
	frames := encode(batch.Events)

	h.mu.Lock()
	defer h.mu.Unlock()
	if breaks != h.breaks {
		return nil, nil // read from a history that may be over: once more
	}
	s.fromFloor = false
	s.cursor = batch.State.Cursor(batch.Through)
	// The database may be ahead of the hub: what the hub will read up to the cursor
	// is skipped by offer.
	s.live = batch.Through == batch.State.Head && s.cursor.Position >= h.head.Position
	return frames, nil
}

// cross moves the reader past a gap, and returns the gap unless it is none: who
// asked for the earliest event follows the floor.
func (s *Subscription) cross(gap *GapError, state State) error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.fromFloor && gap.Reason == GapExpired {
		s.cursor = state.Cursor(state.Floor)
		return nil
	}
	s.cursor = gap.Resumed
	return gap
}

// offer gives a live reader the next frame. One that leaves too many waiting is
// behind from here: it keeps its cursor and reads on from the ring.
func (s *Subscription) offer(f *Frame) {
	switch {
	case !s.live || f.Cursor.Position <= s.cursor.Position:
	case len(s.backlog) >= s.hub.cfg.Backlog:
		s.fallBehind()
	default:
		s.backlog = append(s.backlog, f)
		s.signal()
	}
}

// offerState gives a live reader an ephemeral state in place of an older one.
func (s *Subscription) offerState(f *Frame) {
	if !s.live {
		return
	}
	for i, waiting := range s.backlog {
		if waiting.Ephemeral() && waiting.Topic == f.Topic && waiting.Name == f.Name {
			s.backlog[i] = f
			return
		}
	}
	if len(s.backlog) < s.hub.cfg.Backlog {
		s.backlog = append(s.backlog, f)
		s.signal()
	}
}

func (s *Subscription) fallBehind() {
	s.live, s.backlog = false, nil
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default: // a token is there already
	}
}

// Unlimited is the limit for callers of Next that take whatever there is.
const Unlimited = math.MaxInt
