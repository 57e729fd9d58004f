package stream

// A position is the position of a reader in the log. The lock of the reader's shard guards
// it.
//
// A reader is live or behind. The shard offers each new frame to live readers. A reader
// that is behind reads on from reach, in the ring or the log, until it is live.
type position struct {
	cursor     Cursor // all events at or before it were taken
	reach      Cursor // all events at or before it were taken or are in the backlog
	live       bool
	fromFloor  bool // the reader began at Earliest and has read nothing yet
	overflowed bool // the reader fell behind because its backlog was full
}

// begin sets where a reader starts, given the head of its shard and the floor of the log. A
// reader that starts at the head is live.
func (p *position) begin(start Start, head, floor Cursor) {
	switch start.where {
	case now:
		p.cursor, p.live = head, true
	case earliest:
		p.cursor, p.fromFloor = floor, true
	case at:
		p.cursor, p.live = start.cursor, start.cursor == head
	}
	p.reach = p.cursor
}

// wants reports whether the reader still needs a frame that the shard offers. A reader may
// have read further than its shard, from the log or from another instance.
func (p *position) wants(f *Frame) bool {
	return p.live && f.Cursor.Position > max(p.reach.Position, p.cursor.Position)
}

// took moves the cursor to through, the cursor of the last frame that was taken; zero if no
// durable frame was taken. rest says that frames are left in the backlog.
func (p *position) took(through Cursor, rest bool) {
	if through != (Cursor{}) {
		p.cursor = through
	}
	if !rest {
		p.cursor = further(p.cursor, p.reach)
	}
}

// seen returns the position of the last event that was taken or is in the backlog.
func (p *position) seen() Cursor { return further(p.cursor, p.reach) }

// fallBehind makes the reader read on from its cursor.
func (p *position) fallBehind() { p.live, p.reach = false, p.cursor }

// arrive sets the reach of a reader that is behind. empty says that its topics have no events
// up to there. The reader becomes live if reach is not before head, the head of its shard.
func (p *position) arrive(reach, head Cursor, empty bool) {
	p.reach = reach
	if empty {
		p.cursor = further(p.cursor, reach)
	}
	if reach.Position >= head.Position {
		p.live, p.overflowed = true, false
	}
}

// cross moves the reader past a gap and reports whether the reader gets the gap. If the
// reader began at Earliest, events that expired before its first read are not reported.
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
