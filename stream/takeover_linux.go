package stream

import "net"

// turns is how many parts one reader is given before it is the next one's turn.
const turns = 4

// TakeOver has the hub write the feed to a connection that nobody else uses any more,
// and own it from here on: an idle reader then costs no goroutine and no buffer. The
// head goes out first, as it is; what follows is one body, in chunks (RFC 9112 section
// 7.1) unless it ends with the connection. With keep, a connection whose feed came to
// an orderly end in chunks is given to Ended and not closed.
func (f *Feed) TakeOver(conn net.Conn, head []byte, chunked, keep bool) error {
	f.wire.head, f.wire.chunked, f.wire.dirty = head, chunked, !keep
	return f.wire.take(conn, &f.sub, f)
}

// serve writes what there is to write, as far as the socket takes it.
func (f *Feed) serve(w *worker) {
	if f.sub.served() || !f.wire.hear(w) {
		f.end(w, EndLeft)
		return
	}
	if !f.wire.empty() && !f.resume(w) {
		return
	}
	for range turns {
		f.wire.begin(w)
		v := f.compose(&w.pen)
		err := f.wire.send(w, v.end != "")
		switch {
		case err != nil:
			f.end(w, EndLeft)
			return
		case v.end != "":
			f.ending = v.end
			f.resume(w)
			return
		case !f.wire.empty() || !v.more:
			f.arm(w)
			return
		}
	}
	f.sub.again()
}

// resume writes what the socket did not take before, and reports whether the feed can
// go on.
func (f *Feed) resume(w *worker) bool {
	err := f.wire.flush(w)
	switch {
	case err != nil:
		f.end(w, EndLeft)
	case f.wire.empty() && f.ending != "":
		f.end(w, f.ending)
	case f.wire.empty():
		f.slow = f.slow || f.wire.wasSlow(w)
		return true
	case f.wire.stalled(w):
		f.end(w, EndStalled)
	default:
		f.arm(w)
	}
	return false
}

// arm sets the wheel for when something is due, if it isn't set for earlier.
func (f *Feed) arm(w *worker) {
	next := f.next()
	if !f.wire.empty() {
		next = f.wire.limit(w)
	}
	if f.armed > w.now && f.armed <= next {
		return
	}
	f.armed = f.sub.arm(next)
}

// abandon implements [servant].
func (f *Feed) abandon(w *worker) { f.end(w, EndShutdown) }

// end ends the feed. After an orderly end the connection is as good as before.
func (f *Feed) end(w *worker, end End) {
	orderly := end == f.ending && end != EndShutdown && f.wire.chunked
	f.finish(end, f.wire.release(w, orderly))
}
