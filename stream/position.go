package stream

// A position is where a reader stands in the log. It knows nothing of frames or locks.
// The lock of the reader's shard guards it.
//
// A reader is live or behind. The shard offers each new frame to live readers. A reader
// that is behind reads on from reach, in the ring or the log, until it is live.
type position struct {
	cursor     Cursor // everything at or before it was taken
	reach      Cursor // everything at or before it was taken or is in the backlog
	live       bool
	fromFloor  bool // began at Earliest and has read nothing: a floor that rises is no gap
	overflowed bool // fell behind because too much was waiting
}

// begin sets where a reader starts, given the head of its shard and the floor of the log.
func (p *position) begin(start Start, head, floor Cursor) {
	switch start.where {
	case now:
		p.cursor, p.live = head, true
	case earliest:
		p.cursor, p.fromFloor = floor, true
	case at:
		p.cursor = start.cursor
	}
	p.reach = p.cursor
}

// wants reports whether a frame that the shard offers is the reader's next one. A reader
// may have read further than its shard, from the log or at another instance.
func (p *position) wants(f *Frame) bool {
	return p.live && f.Cursor.Position > max(p.reach.Position, p.cursor.Position)
}

// took moves the cursor past taken frames; zero is none. rest reports that frames are left.
func (p *position) took(through Cursor, rest bool) {
	if through != (Cursor{}) {
		p.cursor = through
	}
	if !rest {
		p.cursor = further(p.cursor, p.reach)
	}
}

// seen is everything the reader was given or will take from its backlog.
func (p *position) seen() Cursor { return further(p.cursor, p.reach) }

// fallBehind makes the reader read on from its cursor.
func (p *position) fallBehind() { p.live, p.reach = false, p.cursor }

// arrive notes that a reader that is behind has frames up to reach, or none if empty. The
// reader is live if the shard has offered no more than that.
func (p *position) arrive(reach, head Cursor, empty bool) {
	p.reach = reach
	if empty {
		p.cursor = further(p.cursor, reach)
	}
	if reach.Position >= head.Position {
		p.live, p.overflowed = true, false
	}
}

// cross moves the reader over a gap. It reports whether the reader has to be told: for a
// reader that began at Earliest, events that expired before its first read are no gap.
func (p *position) cross(gap *GapError, state State) (tell bool) {
	if p.fromFloor && gap.Reason == GapExpired {
		p.cursor = state.Cursor(state.Floor)
		p.reach = p.cursor
		return false
	}
	p.cursor, p.reach = gap.Resumed, gap.Resumed
	return true
}

func further(a, b Cursor) Cursor {
	if b.Position > a.Position {
		return b
	}
	return a
}
