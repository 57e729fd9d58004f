package stream

import (
	"slices"
	"sort"
)

// A ring keeps the most recent frames of the log in memory, so that a reader that was
// disconnected for a short time resumes without the database. The lock of the hub guards it.
type ring struct {
	maxFrames int
	maxBytes  int

	frames []*Frame // in order of position
	bytes  int      // memory of the frames
	after  int64    // the ring has every event after this position
	latest latest   // the newest frame of each target
}

func newRing(maxFrames, maxBytes int) ring {
	return ring{maxFrames: maxFrames, maxBytes: maxBytes, latest: make(latest)}
}

// push appends the next frame of the log and drops the oldest frames that exceed the bounds.
func (r *ring) push(f *Frame) {
	r.frames = append(r.frames, f)
	f.counted = f.memory()
	r.bytes += f.counted
	r.latest.add(f)
	r.shrink()
}

// shrink drops the oldest frames that exceed the bounds.
func (r *ring) shrink() {
	for len(r.frames) > r.maxFrames || r.bytes > r.maxBytes {
		oldest := r.frames[0]
		r.frames[0] = nil
		r.frames = r.frames[1:]
		r.bytes -= oldest.counted
		r.after = oldest.Cursor.Position
		r.latest.forget(oldest)
	}
}

// recount counts frames again whose content has changed. It ignores those that the ring does
// not have.
func (r *ring) recount(changed []*Frame) {
	for _, f := range changed {
		if i := r.firstAfter(f.Cursor.Position - 1); i < len(r.frames) && r.frames[i] == f {
			r.bytes += f.memory() - f.counted
			f.counted = f.memory()
		}
	}
	r.shrink()
}

// firstAfter returns the index of the first frame after a position.
func (r *ring) firstAfter(position int64) int {
	return sort.Search(len(r.frames), func(i int) bool { return r.frames[i].Cursor.Position > position })
}

// reset empties the ring, which then begins after the position.
func (r *ring) reset(after int64) {
	r.frames, r.bytes, r.after, r.latest = nil, 0, after, make(latest)
}

// maxScan bounds how many frames one scan looks at, because it holds the lock of the hub.
const maxScan = 4096

// scan returns the frames of the topics after a position that the ring covers, as many as
// fit into a backlog. through is the position of the last frame that was checked; done
// reports that all frames of the ring were checked.
func (r *ring) scan(after int64, topics []Topic) (found []*Frame, through int64, done bool) {
	first := r.firstAfter(after)
	through = after
	bytes := 0
	for i, f := range r.frames[first:] {
		if i == maxScan {
			return found, through, false
		}
		if slices.Contains(topics, f.Topic) {
			bytes += f.size
			if len(found) == chunkFrames || bytes > chunkBytes && len(found) > 0 {
				return found, through, false
			}
			found = append(found, f)
		}
		through = f.Cursor.Position
	}
	return found, through, true
}
