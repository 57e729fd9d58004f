package stream

import (
	"context"
	"math"
	"time"
)

const (
	// chunkFrames and chunkBytes bound what waits for a reader: what the shard offers,
	// and what comes from the ring or the log at once when the reader is behind.
	chunkFrames = 1024
	chunkBytes  = 256 << 10
)

// A Subscription is one reader's place in the events of its topics. Next, Take and Close
// belong to one goroutine at a time.
//
// The fields that every event touches come first: thousands of readers don't fit into a
// processor's cache.
type Subscription struct {
	shard *shard
	owner *driver // that the worker of the shard runs; nil: a goroutine waits for ready

	// The rest is guarded by shard.mu, but for ready.

	backlog []*Frame // to be taken, in order; so many of them may be taken now:
	ripe    int
	bytes   int           // of the backlog
	cursor  Cursor        // everything at or before it was taken
	reach   Cursor        // everything at or before it was taken or is in the backlog
	fault   error         // to be returned by the next take
	drain   time.Duration // when it is to end because the hub stops; 0: not yet

	live      bool // the shard offers new frames; otherwise the reader is behind
	marked    bool // the worker is about to serve it
	gone      bool // its connection ended
	reading   bool // the log is being read for it
	fromFloor bool // began at Earliest: a floor that rises before the first read is no gap
	slow      bool // fell behind because it left too much waiting
	replayed  bool // the backlog is a short replay, of which nothing is left out
	borrowed  bool // the backlog's array is shared with others
	behind    bool // counted as such

	seats     []seat // in the audience of each topic; nil when closed
	timer     timer
	transport Transport
	ready     chan struct{} // without an owner: holds a token when there may be something to take
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
	return s.pull(ctx, limit, true)
}

// Take is Next without the wait for more: it returns no frames when there are none.
// It may still wait for the log.
func (s *Subscription) Take(ctx context.Context, limit int) ([]*Frame, error) {
	return s.pull(ctx, limit, false)
}

func (s *Subscription) pull(ctx context.Context, limit int, wait bool) (frames []*Frame, err error) {
	for {
		var next next
		frames, next, err = s.take(frames, limit-len(frames), Unlimited)
		switch {
		case err != nil || len(frames) == limit:
			return frames, err
		case next == fetchNext:
			s.fetch()
			continue
		case len(frames) > 0 || next == nothingNext && !wait:
			return frames, nil
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// What comes after a take.
type next int

const (
	nothingNext next = iota // until the subscription is marked
	moreNext                // take again
	fetchNext               // fetch, then take again
	logNext                 // until the log was read for it
)

// take appends what waits to into, at most limit frames and, from the second on, so
// many bytes, and says what to do next. An error comes with nothing else.
func (s *Subscription) take(into []*Frame, limit, bytes int) ([]*Frame, next, error) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if over := s.over(); over || s.fault != nil {
		switch err := s.fault; {
		case len(into) > 0:
			return into, nothingNext, nil
		case over:
			return nil, nothingNext, ErrClosed
		default:
			s.fault = nil
			return into, nothingNext, err
		}
	}
	if n := fit(s.backlog[:min(limit, s.ripe)], bytes); n > 0 {
		into = s.choose(into, s.backlog[:n])
		s.taken(n)
	}
	return into, s.next(), nil
}

// choose appends frames to into, without those that a later one of them supersedes.
func (s *Subscription) choose(into, frames []*Frame) []*Frame {
	if len(frames) == 1 || !s.conflates() {
		return append(into, frames...)
	}
	into, dropped := dropSuperseded(into, frames)
	s.shard.count.Conflated += int64(dropped)
	return into
}

// available reports whether there is something to take: frames, an error or the end. It
// reads on from the ring, or asks for a read of the log; next then is logNext.
func (s *Subscription) available() (ready bool, next next) {
	for {
		s.shard.mu.Lock()
		ready = s.over() || s.fault != nil || s.ripe > 0
		next = s.next()
		s.shard.mu.Unlock()
		if ready || next != fetchNext {
			return ready, next
		}
		s.fetch()
	}
}

// resume is where another subscription goes on, and whether it has something to read at
// once.
func (s *Subscription) resume() (at Cursor, more bool) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.advance()
	return s.cursor, !s.drained()
}

// over reports whether the hub has ended it.
func (s *Subscription) over() bool {
	return s.shard.closed || s.drain > 0 && s.shard.hub.now() >= s.drain
}

func (s *Subscription) next() next {
	switch {
	case s.ripe > 0:
		return moreNext
	case s.reading:
		return logNext
	case !s.live && len(s.backlog) == 0:
		return fetchNext
	}
	return nothingNext
}

// taken moves the cursor past the first n frames of the backlog, and forgets them.
func (s *Subscription) taken(n int) {
	for _, f := range s.backlog[:n] {
		if !f.Ephemeral() {
			s.cursor = f.Cursor
		}
		s.bytes -= len(f.sse)
	}
	if n < len(s.backlog) {
		s.backlog, s.ripe = s.backlog[n:], s.ripe-n
		return
	}
	s.drop()
	s.cursor = further(s.cursor, s.reach)
	s.advance()
}

// keepFrames is how large an empty backlog is kept: most readers get an event or two
// at a time, and allocate nothing for it.
const keepFrames = 8

// drop empties the backlog.
func (s *Subscription) drop() {
	if s.borrowed || cap(s.backlog) > keepFrames {
		s.backlog = nil
	} else {
		all := s.backlog[:cap(s.backlog)]
		clear(all)
		s.backlog = all[:0]
	}
	s.ripe, s.bytes, s.replayed, s.borrowed = 0, 0, false, false
}

func further(a, b Cursor) Cursor {
	if b.Position > a.Position {
		return b
	}
	return a
}

// Cursor is where the reader stands: from here another subscription misses and
// repeats nothing. It moves past events of other topics, too, and never back.
func (s *Subscription) Cursor() Cursor {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.advance()
	return s.cursor
}

// advance moves a reader who has seen all that was offered to the head.
func (s *Subscription) advance() {
	if s.drained() {
		s.cursor = further(s.cursor, s.shard.head)
	}
}

// Drained reports whether all that the hub has seen was taken.
func (s *Subscription) Drained() bool {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	return s.drained()
}

func (s *Subscription) drained() bool { return s.live && len(s.backlog) == 0 && s.fault == nil }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.unseat(s)
}

// offer gives a live reader the next frame. One that leaves too much waiting is
// behind from here: it keeps its cursor and reads on from the ring.
func (s *Subscription) offer(f *Frame, ripe bool) {
	n := len(s.backlog)
	switch {
	case !s.live || f.Cursor.Position <= max(s.reach.Position, s.cursor.Position):
		return
	case n > s.ripe && s.replaces(f):
		s.bytes += len(f.sse) - len(s.backlog[n-1].sse)
		s.backlog[n-1] = f
	case n >= s.shard.hub.cfg.Backlog || s.bytes+len(f.sse) > chunkBytes && n > 0:
		s.slow = true
		s.fallBehind()
		return
	default:
		s.backlog = append(s.backlog, f)
		s.bytes += len(f.sse)
	}
	s.reach = f.Cursor
	if ripe {
		s.releaseLocked()
	}
}

// replaces reports whether a frame may take the place of the last one, which is held:
// it is a later state of the same, for a reader that gets states alone.
func (s *Subscription) replaces(f *Frame) bool {
	last := s.backlog[len(s.backlog)-1]
	return s.conflates() && f.conflation != conflation{} && last.conflation == f.conflation
}

// conflates reports whether a reader may be given the newest of several states. Those
// who poll are given all.
func (s *Subscription) conflates() bool { return s.transport == SSE && !s.replayed }

// releaseLocked lets all that waits be taken.
func (s *Subscription) releaseLocked() {
	if s.ripe < len(s.backlog) {
		s.ripe = len(s.backlog)
		s.mark()
	}
}

// offerState gives a live reader an ephemeral state in place of an older one.
func (s *Subscription) offerState(f *Frame) {
	if !s.live {
		return
	}
	for i, waiting := range s.backlog {
		if waiting.Ephemeral() && waiting.Topic == f.Topic && waiting.Name == f.Name {
			s.bytes += len(f.sse) - len(waiting.sse)
			s.backlog[i] = f
			return
		}
	}
	if len(s.backlog) < s.shard.hub.cfg.Backlog {
		s.backlog = append(s.backlog, f)
		s.bytes += len(f.sse)
		s.releaseLocked()
	}
}

// fallBehind makes the reader read on from its cursor, as it may.
func (s *Subscription) fallBehind() {
	s.live, s.reach = false, s.cursor
	s.drop()
	s.setBehind(true)
	s.mark()
}

// setBehind counts the readers that are behind.
func (s *Subscription) setBehind(behind bool) {
	if s.behind != behind {
		s.behind = behind
		if behind {
			s.shard.count.Behind++
		} else {
			s.shard.count.Behind--
		}
	}
}

// own settles who is told when there is something to take: the shard's worker, who
// serves the owner, or, when there is none, who waits for ready. It returns ErrClosed
// when the worker has gone.
func (s *Subscription) own(owner *driver) error {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	switch {
	case owner != nil && s.shard.deserted:
		return ErrClosed
	case owner != nil:
		s.ready = nil
	case s.ready == nil:
		s.ready = make(chan struct{}, 1)
	}
	s.owner = owner
	s.mark()
	s.shard.ring()
	return nil
}

// mark has the reader served: by the shard's worker, or by whoever waits in Next.
func (s *Subscription) mark() {
	if s.owner == nil {
		select {
		case s.ready <- struct{}{}:
		default: // a token is there already
		}
		return
	}
	if !s.marked {
		s.marked = true
		s.shard.marked = append(s.shard.marked, s)
	}
}

// served takes the mark off, because the worker is there. It reports whether the
// connection is gone.
func (s *Subscription) served() bool {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.marked = false
	return s.gone || s.seats == nil
}

// again has the reader served once more, after the others.
func (s *Subscription) again() {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.mark()
}

// poke has the reader served because something happened to its connection.
func (s *Subscription) poke(gone bool) {
	s.shard.mu.Lock()
	if s.seats != nil {
		s.gone = s.gone || gone
		s.mark()
	}
	s.shard.mu.Unlock()
	s.shard.ring()
}

// arm has the reader served at a time or a little later, and returns when. That is
// earlier when the time is far off.
func (s *Subscription) arm(at time.Duration) time.Duration {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if s.seats == nil {
		return at
	}
	if s.drain > 0 {
		at = min(at, s.drain)
	}
	return s.shard.wheel.set(s, at)
}

// reads reports whether it is among the reader's topics.
func (s *Subscription) reads(t Topic) bool {
	for i := range s.seats {
		if s.seats[i].audience.topic == t {
			return true
		}
	}
	return false
}

// topics are those it was made with; none when it is closed.
func (s *Subscription) topics() []Topic {
	topics := make([]Topic, len(s.seats))
	for i := range s.seats {
		topics[i] = s.seats[i].audience.topic
	}
	return topics
}

// Unlimited is the limit for callers of Next that take whatever there is.
const Unlimited = math.MaxInt
