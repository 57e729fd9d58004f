package stream

import (
	"net"
	"strconv"
)

// turns is the number of parts that the worker writes to one reader before it serves the
// next reader.
const turns = 4

// A socketWatcher is a subscription that is notified by the poller of sockets.
type socketWatcher Subscription

// SocketChanged implements conn.Watcher.
func (w *socketWatcher) SocketChanged(readable, gone bool) {
	s := (*Subscription)(w)
	s.shard.connectionChanged(s, readable, gone)
}

// takeOver gives the connection to the worker of the shard, which runs o. With input, o is
// told that the client has sent bytes. On an error the connection is unchanged and the driver
// still has to be closed.
func (d *driver) takeOver(c net.Conn, o owner, input bool) error {
	poller := d.sub.shard.hub.poller
	if err := d.conn.Open(c, poller, (*socketWatcher)(&d.sub), input); err != nil {
		return err
	}
	d.started = true
	if err := d.sub.shard.assign(&d.sub, o); err != nil {
		d.started = false
		d.conn.Release(poller, true)
		return err
	}
	return nil
}

// serve composes and writes as many bytes as the socket accepts, at most turns parts. The
// worker calls it when the subscription is marked.
func (d *driver) serve(w *worker) {
	left := w.shard.unmark(&d.sub) || !d.conn.Receive(w.now)
	d.countUnsent(w)
	d.keep = d.keep && !left
	if left && d.ending != "" {
		d.finish(w, EndLeft)
		return
	}
	if !d.flush(w) {
		return
	}
	d.proceed(w, left)
}

// proceed composes and writes until there is nothing more to write, the socket accepts no
// more, or it is the turn of another reader.
func (d *driver) proceed(w *worker, left bool) {
	for range turns {
		w.bytes, w.body = w.bytes[:chunkRoom], nil
		s := d.composer.compose(&w.output, left)
		err := d.send(w, s.end != "")
		switch {
		case err != nil || d.conn.Pending() > 0 && !d.composer.pending(&w.output):
			d.finish(w, EndLeft)
			return
		case s.end != "":
			d.ending = s.end
			d.flush(w)
			return
		case !s.more || d.conn.Pending() > 0:
			d.arm(w, s)
			return
		}
	}
	w.shard.mark(&d.sub)
}

// flush writes the pending bytes. It ends the reader if they were its last bytes, if the
// connection is gone, or if the socket has accepted nothing for HubConfig.Patience. It
// reports whether more bytes can be composed.
func (d *driver) flush(w *worker) bool {
	if d.conn.Pending() == 0 && d.ending == "" {
		return true
	}
	err := d.conn.Flush(w.now)
	d.countUnsent(w)
	patience := w.shard.hub.cfg.Patience
	switch {
	case err != nil:
		d.finish(w, EndLeft)
	case d.conn.Pending() == 0 && d.ending != "":
		d.finish(w, d.ending)
	case d.conn.Pending() == 0:
		d.slow = d.slow || w.now-d.conn.PendingSince() > 3*patience
		return true
	case w.now >= d.conn.StalledAt(patience):
		d.finish(w, EndStalled)
	default:
		d.arm(w, step{})
	}
	return false
}

// arm sets the timer of the reader to the time of the next step or, if bytes are pending, to
// the time at which they will have waited too long. A timer that fires earlier stays.
func (d *driver) arm(w *worker, s step) {
	due := s.due
	if d.conn.Pending() > 0 {
		due = d.conn.StalledAt(w.shard.hub.cfg.Patience)
	}
	if d.armed > w.now && d.armed <= due {
		return
	}
	d.armed = w.shard.setTimer(&d.sub, due)
}

// finish ends a reader whose connection was taken over. If the connection can be used again,
// the composer may keep it, or finish passes it to ended; otherwise finish closes it.
func (d *driver) finish(w *worker, end End) {
	if d.keep && end == d.ending && d.composer.rest(w, end) {
		return
	}
	c := d.conn.Release(w.shard.hub.poller, d.keep && end == d.ending)
	d.countUnsent(w)
	d.close(end, c)
}

// countUnsent counts the change of pending bytes.
func (d *driver) countUnsent(w *worker) {
	pending := int32(d.conn.Pending()) // an answer, or one part and the alerts of TLS
	w.count.unsent += int64(pending - d.counted)
	d.counted = pending
}

// send writes the composed bytes. Before the first bytes it writes the head; if the stream is
// chunked and this is the last part, it writes the last chunk after them.
func (d *driver) send(w *worker, last bool) error {
	w.insert(sharedFrom)
	part := w.bytes[chunkRoom:]
	if d.chunked {
		w.bytes, part = enclose(w.bytes, last)
	}
	if d.head != nil {
		part = append(d.head, part...)
		d.head = nil
	}
	if len(part) == 0 {
		return nil
	}
	w.count.wrote(d.sub.transport, len(part))
	var err error
	if w.body != nil {
		place := w.place - chunkRoom
		err = d.conn.SendShared(part[:place], w.body.Bytes, part[place:], w.now)
	} else {
		err = d.conn.Send(part, w.now)
	}
	d.countUnsent(w)
	return err
}

// chunkRoom is the space that is kept free before the bytes of a chunk, for the length of
// the chunk: up to six hexadecimal digits, CR and LF.
const chunkRoom = 8

// enclose makes the bytes after chunkRoom a chunk (RFC 9112 section 7.1). It makes no chunk
// if there are no bytes. If last is true, it appends the last chunk, which is empty.
func enclose(b []byte, last bool) (grown, part []byte) {
	start := chunkRoom
	if size := len(b) - chunkRoom; size > 0 {
		var digits [chunkRoom]byte
		length := append(strconv.AppendInt(digits[:0], int64(size), 16), '\r', '\n')
		start -= len(length)
		copy(b[start:], length)
		b = append(b, '\r', '\n')
	}
	if last {
		b = append(b, "0\r\n\r\n"...)
	}
	return b, b[start:]
}
