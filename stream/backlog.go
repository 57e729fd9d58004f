package stream

// A backlog has the frames that wait for one reader, in order. The lock of the reader's
// shard guards it.
//
// The last frames may be held: they cannot be taken until they are released, which also
// releases all frames before them. See conflate.go.
type backlog struct {
	frames   []*Frame
	released int  // number of frames at the start that may be taken
	bytes    int  // size of frames
	all      bool // the reader is a poll, which gets every frame
	replay   bool // frames is a short replay, of which the reader gets every frame
	shared   bool // the array of frames is shared with other readers
}

const (
	// chunkFrames and chunkBytes bound a backlog, and the frames that a reader that is
	// behind gets from one read of the ring or the log.
	chunkFrames = 1024
	chunkBytes  = 256 << 10
	// keptFrames is the largest array that an empty backlog keeps. Most readers get one
	// or two frames at a time, and then allocate nothing for them.
	keptFrames = 8
)

func (b *backlog) empty() bool { return len(b.frames) == 0 }

// full reports whether the backlog has no room for f: it has most frames, or would have more
// than chunkBytes. An empty backlog has room for any frame.
func (b *backlog) full(f *Frame, most int) bool {
	return len(b.frames) >= most || b.bytes+f.size > chunkBytes && len(b.frames) > 0
}

// push appends a frame. The frame is held until release is called.
func (b *backlog) push(f *Frame) {
	b.frames = append(b.frames, f)
	b.bytes += f.size
}

// replaceHeld replaces the last frame by f if the last frame is held and f is a later state
// of the same target. It reports whether it did.
func (b *backlog) replaceHeld(f *Frame) bool {
	last := len(b.frames) - 1
	if last < b.released || !b.conflates() || f.conflation == (conflation{}) || b.frames[last].conflation != f.conflation {
		return false
	}
	b.set(last, f)
	return true
}

// replaceState replaces an older ephemeral frame of the same topic and name by f. It reports
// whether there was one.
func (b *backlog) replaceState(f *Frame) bool {
	for i, old := range b.frames {
		if old.Ephemeral() && old.Topic == f.Topic && old.Name == f.Name {
			b.set(i, f)
			return true
		}
	}
	return false
}

func (b *backlog) set(i int, f *Frame) {
	b.bytes += f.size - b.frames[i].size
	b.frames[i] = f
}

// release releases all held frames. It reports whether there was one.
func (b *backlog) release() bool {
	held := b.released < len(b.frames)
	b.released = len(b.frames)
	return held
}

// fill puts frames into an empty backlog. Other readers may share the array of frames, so it
// is not changed. replay says that the frames are a short replay.
func (b *backlog) fill(frames []*Frame, replay bool) {
	b.frames, b.released, b.replay, b.shared = frames, len(frames), replay, true
	for _, f := range frames {
		b.bytes += f.size
	}
}

// take removes released frames, at most limit frames and at most the given number of bytes
// (but at least one frame), and appends them to into. It drops a frame if a later removed
// frame supersedes it. through is the cursor of the last durable frame that was removed;
// zero if there is none.
func (b *backlog) take(into []*Frame, limit, bytes int) (taken []*Frame, through Cursor, dropped int) {
	n := fit(b.frames[:min(limit, b.released)], bytes)
	if n == 0 {
		return into, through, 0
	}
	frames := b.frames[:n]
	if n == 1 || !b.conflates() {
		into = append(into, frames...)
	} else {
		into, dropped = dropSuperseded(into, frames)
	}
	for _, f := range frames {
		if !f.Ephemeral() {
			through = f.Cursor
		}
		b.bytes -= f.size
	}
	if n == len(b.frames) {
		b.clear()
	} else {
		b.frames, b.released = b.frames[n:], b.released-n
	}
	return into, through, dropped
}

// conflates reports whether superseded frames may be left out for this reader.
func (b *backlog) conflates() bool { return !b.all && !b.replay }

// clear empties the backlog.
func (b *backlog) clear() {
	if b.shared || cap(b.frames) > keptFrames {
		b.frames = nil
	} else {
		whole := b.frames[:cap(b.frames)]
		clear(whole) // so that the frames can be freed
		b.frames = whole[:0]
	}
	b.released, b.bytes, b.replay, b.shared = 0, 0, false, false
}

// fit returns how many of the first frames have at most the given number of bytes together.
// The first frame always fits.
func fit(frames []*Frame, bytes int) int {
	for i, f := range frames {
		if bytes -= f.size; bytes < 0 && i > 0 {
			return i
		}
	}
	return len(frames)
}
