package stream

import "sort"

// A ring keeps the most recent frames of the log, so that a reader that was away for
// a moment resumes without the database. Its owner guards it.
type ring struct {
	maxFrames int
	maxBytes  int

	frames []*Frame // in order of position
	bytes  int      // of the frames
	after  int64    // every event after it, up to the head, is in frames
}

// push appends the next frame of the log and forgets what is over the bounds.
func (r *ring) push(f *Frame) {
	r.frames = append(r.frames, f)
	r.bytes += len(f.sse)
	for len(r.frames) > r.maxFrames || r.bytes > r.maxBytes {
		oldest := r.frames[0]
		r.frames[0] = nil
		r.frames = r.frames[1:]
		r.bytes -= len(oldest.sse)
		r.after = oldest.Cursor.Position
	}
}

// reset empties the ring: it begins anew after the position.
func (r *ring) reset(after int64) {
	r.frames, r.bytes, r.after = nil, 0, after
}

// maxScan bounds how many frames one look into the ring passes by, because it
// happens under the hub's lock.
const maxScan = 4096

// scan returns at most limit frames of the topics after a position that the ring
// covers, and the last position it looked at. That is past the last frame of the
// ring exactly when done.
func (r *ring) scan(after int64, topics []Topic, limit int) (found []*Frame, through int64, done bool) {
	first := sort.Search(len(r.frames), func(i int) bool {
		return r.frames[i].Cursor.Position > after
	})
	through = after
	for i, f := range r.frames[first:] {
		if len(found) == limit || i == maxScan {
			return found, through, false
		}
		through = f.Cursor.Position
		if contains(topics, f.Topic) {
			found = append(found, f)
		}
	}
	return found, through, true
}

func contains(topics []Topic, t Topic) bool {
	for _, topic := range topics {
		if topic == t {
			return true
		}
	}
	return false
}
