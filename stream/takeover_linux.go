package stream

import (
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"
)

const (
	// patience is how long a socket may take nothing of what waits for it, and
	// slowPart how long it may take for one part.
	patience = 10 * time.Second
	slowPart = 30 * time.Second
	// turns is how many parts one reader is given before it is the next one's turn.
	turns = 4
)

// errNoSocket: the connection is not one that can be taken over.
var errNoSocket = errors.New("no socket under this connection")

// CanTakeOver reports whether TakeOver can be given such a connection: TCP, or TLS
// over a listener of [Gate].
func CanTakeOver(conn net.Conn) bool {
	switch c := conn.(type) {
	case *net.TCPConn:
		return true
	case *tls.Conn:
		_, ok := c.NetConn().(*gate)
		return ok
	}
	return false
}

// TakeOver has the hub write the feed to a connection that nobody else uses any more,
// and own it from here on: an idle reader then costs no goroutine and no buffer. The
// head goes out first, as it is; what follows is one body, in chunks (RFC 9112 section
// 7.1) unless it ends with the connection.
func (f *Feed) TakeOver(conn net.Conn, head []byte, chunked bool) error {
	h := f.sub.lane.hub
	poller, err := h.poller.get()
	if err != nil {
		return err
	}
	w, err := newWire(conn, head, chunked)
	if err != nil {
		return err
	}
	f.wire = *w
	if f.wire.gate != nil {
		f.wire.gate.take(&f.wire)
	}
	if err := poller.add(&f.wire, &f.sub); err != nil {
		return err
	}
	if err := f.sub.own(f); err != nil {
		poller.remove(&f.wire)
		return err
	}
	return nil
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
			f.wire.ending = v.end
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
	left := len(f.wire.pending)
	err := f.wire.flush(w)
	switch {
	case err != nil:
		f.end(w, EndLeft)
	case f.wire.empty() && f.wire.ending != "":
		f.end(w, f.wire.ending)
	case f.wire.empty():
		f.slow = f.slow || w.now-f.wire.since > slowPart
		return true
	case w.now-f.wire.progress >= patience && len(f.wire.pending) == left:
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
		next = f.wire.progress + patience
	}
	if f.armed > w.now && f.armed <= next {
		return
	}
	f.armed = f.sub.arm(next)
}

// abandon implements [servant].
func (f *Feed) abandon(w *worker) { f.end(w, EndShutdown) }

func (f *Feed) end(w *worker, end End) {
	w.count.unsent -= int64(len(f.wire.pending))
	f.wire.pending = nil
	f.sub.lane.hub.poller.remove(&f.wire)
	f.wire.close()
	f.finish(end)
}

// A wire is a connection that takes bytes without blocking. Only what the socket did
// not take is kept. It belongs to the worker.
type wire struct {
	conn    net.Conn
	socket  socket
	tls     *tls.Conn // nil when the connection is not encrypted
	gate    *gate     // under it
	head    []byte    // to go out first
	chunked bool
	ending  End // the last byte is in pending

	pending  []byte        // encoded, and not taken by the socket
	since    time.Duration // something is pending
	progress time.Duration // the socket last took something of it

	slot       int // in the poller
	generation int32
}

func newWire(conn net.Conn, head []byte, chunked bool) (*wire, error) {
	w := &wire{conn: conn, head: head, chunked: chunked}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		encrypted, ok := conn.(*tls.Conn)
		if !ok {
			return nil, errNoSocket
		}
		if w.gate, ok = encrypted.NetConn().(*gate); !ok {
			return nil, errNoSocket
		}
		w.tls, tcp = encrypted, w.gate.TCPConn
	}
	var err error
	w.socket, err = tcp.SyscallConn()
	return w, err
}

func (w *wire) empty() bool { return len(w.pending) == 0 }

// chunkRoom is left free for the length of a chunk: six hexadecimal digits, CR and LF.
const chunkRoom = 8

// begin makes room for the next part.
func (w *wire) begin(by *worker) { by.bytes = by.bytes[:chunkRoom] }

// send writes the part that was composed, and what goes around it.
func (w *wire) send(by *worker, last bool) error {
	part := w.enclose(by, last)
	if len(part) == 0 {
		return nil
	}
	by.count.writes++
	by.count.bytes += int64(len(part))
	if w.tls != nil {
		_, err := w.tls.Write(part) // into the gate
		w.note(by, 0)
		return err
	}
	n, err := by.raw.write(w.socket, part)
	if err != nil {
		return err
	}
	if n < len(part) {
		w.pending = append(w.pending, part[n:]...)
		w.note(by, 0)
	}
	return nil
}

// enclose makes a chunk of the part, with the head before and the last chunk behind
// it where they belong.
func (w *wire) enclose(by *worker, last bool) []byte {
	start := chunkRoom
	if size := len(by.bytes) - chunkRoom; w.chunked && size > 0 {
		var digits [chunkRoom]byte
		hex := append(strconv.AppendInt(digits[:0], int64(size), 16), '\r', '\n')
		start -= len(hex)
		copy(by.bytes[start:], hex)
		by.bytes = append(by.bytes, '\r', '\n')
	}
	if w.chunked && last {
		by.bytes = append(by.bytes, "0\r\n\r\n"...)
	}
	part := by.bytes[start:]
	if w.head != nil {
		part = append(w.head, part...)
		w.head = nil
	}
	return part
}

// note takes down that something is pending, of which the socket took n bytes now.
func (w *wire) note(by *worker, before int) {
	by.count.unsent += int64(len(w.pending) - before)
	if before == 0 {
		w.since, w.progress = by.now, by.now
	}
}

// flush writes what is pending.
func (w *wire) flush(by *worker) error {
	before := len(w.pending)
	if before == 0 {
		return nil
	}
	n, err := by.raw.write(w.socket, w.pending)
	if err != nil {
		return err
	}
	if n > 0 {
		w.progress = by.now
	}
	w.pending = w.pending[n:]
	w.note(by, before)
	if len(w.pending) == 0 {
		w.pending = nil
	}
	return nil
}

// hear takes note of what an encrypted connection brings: the peer may say goodbye, or
// change keys. It reports whether the peer is still there.
func (w *wire) hear(by *worker) bool {
	if w.tls == nil {
		return true
	}
	var scratch [512]byte
	for {
		_, err := w.tls.Read(scratch[:])
		var wait net.Error
		if errors.As(err, &wait) && wait.Timeout() {
			return true
		}
		if err != nil {
			return false
		}
	}
}

func (w *wire) close() {
	if w.gate != nil && w.empty() {
		w.tls.Close() // says goodbye, as far as the socket takes it
	}
	w.conn.Close()
}
