package stream

import (
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"
)

// errNoSocket: the connection is not one that can be taken over.
var errNoSocket = errors.New("no socket under this connection")

// CanTakeOver reports whether the hub can be given such a connection: TCP, or TLS over
// a listener of [Gate].
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

// A wire is a connection that takes bytes without blocking. Only what the socket did
// not take is kept. It belongs to the worker.
type wire struct {
	socket  socket
	tls     *tls.Conn // nil when the connection is not encrypted
	pending []byte    // encoded, and not taken by the socket
	head    []byte    // to go out first
	chunked bool
	dirty   bool // the peer sent what nobody waited for

	conn       net.Conn
	gate       *gate         // under tls
	noted      int           // bytes of pending that are counted
	since      time.Duration // something is pending
	progress   time.Duration // the socket last took something of it
	slot       int           // in the poller
	generation int32
}

// take takes a connection over for a subscription, whose owner the shard serves from
// here on.
func (w *wire) take(conn net.Conn, s *Subscription, owner servant) error {
	tcp, ok := TCP(conn)
	if !ok || !CanTakeOver(conn) {
		return errNoSocket
	}
	if w.tls, ok = conn.(*tls.Conn); ok {
		w.gate = w.tls.NetConn().(*gate)
	}
	poller, err := s.shard.hub.poller.get()
	if err != nil {
		return err
	}
	if w.socket, err = socketOf(tcp); err != nil {
		return err
	}
	w.conn = conn
	if w.gate != nil {
		w.gate.wire = w
	}
	if err := poller.add(w, s); err != nil {
		return err
	}
	if err := s.own(owner); err != nil {
		poller.remove(w)
		return err
	}
	return nil
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
		w.note(by)
		return err
	}
	n, err := w.socket.write(part)
	if err != nil {
		return err
	}
	if n < len(part) {
		w.pending = append(w.pending, part[n:]...)
		w.note(by)
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

// note takes down how much is pending, and since when something is.
func (w *wire) note(by *worker) {
	by.count.unsent += int64(len(w.pending) - w.noted)
	if w.noted == 0 {
		w.since, w.progress = by.now, by.now
	}
	w.noted = len(w.pending)
}

// flush writes what is pending.
func (w *wire) flush(by *worker) error {
	if w.empty() {
		return nil
	}
	n, err := w.socket.write(w.pending)
	if err != nil {
		return err
	}
	if n > 0 {
		w.progress = by.now
	}
	w.pending = w.pending[n:]
	w.note(by)
	if len(w.pending) == 0 {
		w.pending = nil
	}
	return nil
}

// chatter bounds what a reader may send while it is read to; TLS itself needs little.
const chatter = 16 << 10

// hear takes note of what an encrypted connection brings: the peer may say goodbye, or
// change keys. It reports whether the peer is still there, and is a reader.
func (w *wire) hear(by *worker) bool {
	if w.tls == nil {
		return true
	}
	defer w.note(by) // TLS may have had to answer
	var scratch [512]byte
	for said := 0; said < chatter; {
		n, err := w.tls.Read(scratch[:])
		said += n
		w.dirty = w.dirty || n > 0
		var wait net.Error
		if errors.As(err, &wait) && wait.Timeout() {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// wasSlow reports whether the socket took too long for the last part, little by little.
func (w *wire) wasSlow(by *worker) bool { return by.now-w.since > 3*by.shard.hub.cfg.Patience }

// stalled reports whether the socket has taken nothing for too long.
func (w *wire) stalled(by *worker) bool { return by.now >= w.limit(by) }

// limit is when it will have.
func (w *wire) limit(by *worker) time.Duration { return w.progress + by.shard.hub.cfg.Patience }

// release gives the connection up. It returns it when it is to be kept and is as good
// as before; otherwise it is closed.
func (w *wire) release(by *worker, keep bool) net.Conn {
	if w.conn == nil {
		return nil // for the second time
	}
	conn := w.conn
	w.conn = nil
	by.shard.hub.poller.remove(w)
	defer func() { w.socket = noSocket }()
	by.count.unsent -= int64(w.noted)
	w.noted = 0
	if keep && w.empty() && !w.dirty {
		if w.gate != nil {
			w.gate.wire = nil
		}
		return conn
	}
	w.pending = nil
	conn.Close() // over TLS it says goodbye, as far as the socket takes it
	return nil
}
