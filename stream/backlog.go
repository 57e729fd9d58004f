package stream

// A backlog is the frames that wait to be taken by one reader, in order. It knows nothing
// of topics, cursors or locks. The lock of the reader's shard guards it.
//
// Frames at its end may be held: they wait in their place until they are released, with
// the frames before them. See conflate.go.
type backlog struct {
	frames   []*Frame
	released int  // the first so many may be taken
	bytes    int  // of frames
	all      bool // the reader gets every frame: it polls
	replay   bool // frames is a short replay, of which the reader gets every frame
	shared   bool // the array of frames is shared with other readers
}

const (
	// chunkFrames and chunkBytes bound a backlog: how much of what the shard offers may
	// wait, and how much a reader that is behind gets from the ring or the log at once.
	chunkFrames = 1024
	chunkBytes  = 256 << 10
	// keptFrames is the largest array that an empty backlog keeps. Most readers get one
	// or two frames at a time, and then allocate nothing for them.
	keptFrames = 8
)

func (b *backlog) empty() bool { return len(b.frames) == 0 }

// full reports whether f is too much, for a reader that may leave so many frames waiting.
// One frame always fits.
func (b *backlog) full(f *Frame, most int) bool {
	return len(b.frames) >= most || b.bytes+len(f.sse) > chunkBytes && len(b.frames) > 0
}

// push appends a frame, which is held until release.
func (b *backlog) push(f *Frame) {
	b.frames = append(b.frames, f)
	b.bytes += len(f.sse)
}

// replaceHeld puts f in the place of the last frame if that is held and f is a later state
// of the same target. It reports whether it did.
func (b *backlog) replaceHeld(f *Frame) bool {
	last := len(b.frames) - 1
	if last < b.released || !b.conflates() || f.conflation == (conflation{}) || b.frames[last].conflation != f.conflation {
		return false
	}
	b.set(last, f)
	return true
}

// replaceState puts an ephemeral frame in the place of an older one of the same topic and
// name. It reports whether there was one.
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
	b.bytes += len(f.sse) - len(b.frames[i].sse)
	b.frames[i] = f
}

// release lets every frame be taken. It reports whether one was held.
func (b *backlog) release() bool {
	held := b.released < len(b.frames)
	b.released = len(b.frames)
	return held
}

// fill puts frames, whose array may be shared, into an empty backlog. replay says that
// they are a short replay.
func (b *backlog) fill(frames []*Frame, replay bool) {
	b.frames, b.released, b.replay, b.shared = frames, len(frames), replay, true
	for _, f := range frames {
		b.bytes += len(f.sse)
	}
}

// take moves released frames to into: at most limit frames and, from the second on, at
// most so many bytes. It leaves out those that a later one of them supersedes, and returns
// how many that were. through is the cursor of the last frame with one, or zero.
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
		b.bytes -= len(f.sse)
	}
	if n == len(b.frames) {
		b.clear()
	} else {
		b.frames, b.released = b.frames[n:], b.released-n
	}
	return into, through, dropped
}

// conflates reports whether states may be left out.
func (b *backlog) conflates() bool { return !b.all && !b.replay }

// clear empties the backlog.
func (b *backlog) clear() {
	if b.shared || cap(b.frames) > keptFrames {
		b.frames = nil
	} else {
		whole := b.frames[:cap(b.frames)]
		clear(whole) // or it would keep the frames in memory
		b.frames = whole[:0]
	}
	b.released, b.bytes, b.replay, b.shared = 0, 0, false, false
}

// fit is how many of the frames have at most so many bytes together, but at least one.
func fit(frames []*Frame, bytes int) int {
	for i, f := range frames {
		if bytes -= len(f.sse); bytes < 0 && i > 0 {
			return i
		}
	}
	return len(frames)
}
