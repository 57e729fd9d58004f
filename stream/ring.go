package stream

import (
	"slices"
	"sort"
)

// A ring keeps the most recent frames of the log, so that a reader that was away for
// a moment resumes without the database. Its owner guards it.
type ring struct {
	maxFrames int
	maxBytes  int

	frames []*Frame // in order of position
	bytes  int      // of the frames
	after  int64    // every event after it, up to the head, is in frames
	latest latest   // of the frames
}

func newRing(maxFrames, maxBytes int) ring {
	return ring{maxFrames: maxFrames, maxBytes: maxBytes, latest: make(latest)}
}

// push appends the next frame of the log and forgets what is over the bounds.
func (r *ring) push(f *Frame) {
	r.frames = append(r.frames, f)
	r.bytes += len(f.sse)
	r.latest.add(f)
	for len(r.frames) > r.maxFrames || r.bytes > r.maxBytes {
		oldest := r.frames[0]
		r.frames[0] = nil
		r.frames = r.frames[1:]
		r.bytes -= len(oldest.sse)
		r.after = oldest.Cursor.Position
		r.latest.forget(oldest)
	}
}

// reset empties the ring: it begins anew after the position.
func (r *ring) reset(after int64) {
	r.frames, r.bytes, r.after, r.latest = nil, 0, after, make(latest)
}

// maxScan bounds how many frames one look into the ring passes by, because it
// happens under the hub's lock.
const maxScan = 4096

// scan returns the frames that follow a position that the ring covers and that a
// reader reads, as many as fit, and the last position it looked at. That is past the
// last frame of the ring exactly when done.
func (r *ring) scan(after int64, topics []Topic) (found []*Frame, through int64, done bool) {
	first := sort.Search(len(r.frames), func(i int) bool {
		return r.frames[i].Cursor.Position > after
	})
	through = after
	bytes := 0
	for i, f := range r.frames[first:] {
		if i == maxScan {
			return found, through, false
		}
		if slices.Contains(topics, f.Topic) {
			bytes += len(f.sse)
			if len(found) == chunkFrames || bytes > chunkBytes && len(found) > 0 {
				return found, through, false
			}
			found = append(found, f)
		}
		through = f.Cursor.Position
	}
	return found, through, true
}
