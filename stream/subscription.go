package stream

import (
	"context"
	"math"
)

// Unlimited is the limit for callers of Next and Take that want all there is.
const Unlimited = math.MaxInt

// A Subscription is one reader of some topics: its position (at), the frames that wait for
// it (backlog), and its state in the shard (entry). Only one goroutine at a time may call
// Next, Take and Close.
//
// The fields that each event touches come first: the subscriptions of thousands of readers
// do not fit into the caches of a processor.
type Subscription struct {
	shard *shard
	owner owner // run by the worker of the shard; nil: a goroutine waits for ready

	// The lock of the shard guards the rest.

	backlog   backlog
	at        position
	entry     entry
	fault     error // error that the next take returns
	transport Transport
	most      int16         // events of the next chunk from the log, see replay; 0: not known
	presence  bool          // the reader gets presence events
	ready     chan struct{} // without an owner: holds a token when there may be something to take
}

// Next waits for events of the topics and returns them in order: first past events, from
// memory or the log, then each new event. The caller cannot tell where the past ends. It
// returns at most limit frames, and at least one unless there is an error.
//
// It returns a *GapError (errors.Is ErrGone) if the cursor is older than the log or belongs
// to another history: the subscription then continues at the head. If the reader is behind
// and the log cannot be read, it returns the error of the log, and nothing is lost. After
// both, Next may be called again. It returns ErrClosed when the hub stops, and ctx.Err()
// when ctx ends.
func (s *Subscription) Next(ctx context.Context, limit int) ([]*Frame, error) {
	return s.pull(ctx, limit, true)
}

// Take is like Next, but does not wait for new events: it returns no frames if there are
// none now. It may wait for a read of the log.
func (s *Subscription) Take(ctx context.Context, limit int) ([]*Frame, error) {
	return s.pull(ctx, limit, false)
}

// Cursor returns the cursor of the reader: another subscription that begins there misses and
// repeats nothing. The cursor also moves past events of other topics, and never back.
func (s *Subscription) Cursor() Cursor {
	at, _ := s.resume()
	return at
}

// Drained reports whether the reader has taken all events that its shard has offered.
func (s *Subscription) Drained() bool {
	_, more := s.resume()
	return !more
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.removeLocked(s)
}

func (s *Subscription) pull(ctx context.Context, limit int, wait bool) (frames []*Frame, err error) {
	for {
		var from supply
		frames, from, err = s.take(frames, limit-len(frames), Unlimited)
		switch {
		case err != nil || len(frames) == limit:
			return frames, err
		case from == supplyFetch:
			s.fetch()
			continue
		case len(frames) > 0 || from == supplyNone && !wait:
			return frames, nil
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// A supply is the source of the next frames of a subscription.
type supply int

const (
	supplyNone  supply = iota // there are no frames until the subscription is marked
	supplyMore                // the backlog has released frames
	supplyFetch               // fetch has to be called
	supplyLog                 // a read of the log, which marks the subscription at its end
)

// take appends the next frames to into, at most limit frames and at most the given number of
// bytes (but at least one frame), and returns the source of those after them. It returns an
// error only without frames.
func (s *Subscription) take(into []*Frame, limit, bytes int) ([]*Frame, supply, error) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if over := s.overLocked(); over || s.fault != nil {
		switch err := s.fault; {
		case len(into) > 0:
			return into, supplyNone, nil
		case over:
			return nil, supplyNone, ErrClosed
		default:
			s.fault = nil
			return into, supplyNone, err
		}
	}
	if s.backlog.released > 0 {
		var through Cursor
		var dropped int
		into, through, dropped = s.backlog.take(into, limit, bytes)
		s.shard.count.Conflated += int64(dropped)
		s.at.took(through, !s.backlog.empty())
		s.advanceLocked()
	}
	return into, s.supplyLocked(), nil
}

// available reports whether take would return frames or an error. If not, and the reader is
// behind, it reads on from the ring or asks for a read of the log: from is then supplyLog.
func (s *Subscription) available() (ready bool, from supply) {
	for {
		s.shard.mu.Lock()
		ready = s.overLocked() || s.fault != nil || s.backlog.released > 0
		from = s.supplyLocked()
		s.shard.mu.Unlock()
		if ready || from != supplyFetch {
			return ready, from
		}
		s.fetch()
	}
}

// resume returns the cursor of the reader, and whether there are more events after it.
func (s *Subscription) resume() (at Cursor, more bool) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.advanceLocked()
	return s.at.cursor, !s.drainedLocked()
}

// overLocked reports whether the hub has ended the subscription.
func (s *Subscription) overLocked() bool {
	end := s.entry.drainAt
	return s.shard.closed || end > 0 && s.shard.hub.now() >= end
}

func (s *Subscription) supplyLocked() supply {
	switch {
	case s.backlog.released > 0:
		return supplyMore
	case s.entry.reading:
		return supplyLog
	case !s.at.live && s.backlog.empty():
		return supplyFetch
	}
	return supplyNone
}

func (s *Subscription) drainedLocked() bool {
	return s.at.live && s.backlog.empty() && s.fault == nil
}

// advanceLocked moves the cursor of a reader that has taken everything to the head.
func (s *Subscription) advanceLocked() {
	if s.drainedLocked() {
		s.at.cursor = further(s.at.cursor, s.shard.head)
	}
}

// offerLocked appends the next frame to the backlog of a live reader, held or released. If
// the backlog is full, the reader falls behind: it keeps its cursor and reads on from the
// ring.
func (s *Subscription) offerLocked(f *Frame, released bool) {
	if !s.at.wants(f) {
		return
	}
	if !s.backlog.replaceHeld(f) {
		if s.backlog.full(f, s.shard.hub.cfg.Backlog) {
			s.at.overflowed = true
			s.fallBehindLocked()
			return
		}
		s.backlog.push(f)
	}
	s.at.reach = f.Cursor
	if released {
		s.releaseLocked()
	}
}

// offerStateLocked gives a live reader an ephemeral frame. The frame replaces an older one
// of the same topic and name that still waits. A full backlog drops the frame.
// Presence events are only for readers that ask for them.
func (s *Subscription) offerStateLocked(f *Frame) {
	if f.Name == PresenceName && !s.presence {
		return
	}
	if !s.at.live || s.backlog.replaceState(f) || len(s.backlog.frames) >= s.shard.hub.cfg.Backlog {
		return
	}
	s.backlog.push(f)
	s.releaseLocked()
}

// releaseLocked releases all held frames, and marks the subscription if there was one.
func (s *Subscription) releaseLocked() {
	if s.backlog.release() {
		s.shard.markLocked(s)
	}
}
