package conn

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// ErrNotSupported is the error of [Open] for a connection that cannot be taken over.
var ErrNotSupported = errors.New("no socket under this connection")

// maxRead bounds what a reader may send over TLS while [Conn.Receive] reads. The
// messages of TLS itself need much less.
const maxRead = 16 << 10

// A Conn is a connection that takes bytes without blocking. Its zero value has no
// connection; [Conn.Open] gives it one. A Conn belongs to one goroutine at a time. It
// holds the descriptor of the socket, so nothing else may close the connection until
// Release.
type Conn struct {
	socket  socket
	tls     *tls.Conn // nil if the connection is not encrypted
	pending []byte    // encoded bytes that the socket has not taken
	conn    net.Conn  // nil before Open and after Release
	gate    *gate     // under tls

	pendingSince time.Duration // when pending was empty last
	progress     time.Duration // when the socket last took a byte of pending
	place        place         // in the poller
	received     bool          // the peer sent bytes that no request asked for
}

// A Watcher is notified of changes of the socket of a [Conn].
type Watcher interface {
	// SocketChanged reports that the socket can be written or read again, or, with gone,
	// that the peer has closed its end or the connection has failed. It is called by the
	// goroutine of the poller and must not block.
	SocketChanged(gone bool)
}

// Open takes a connection over: the caller may not use it until [Conn.Release] returns
// it. The poller calls watcher from now on. It returns [ErrNotSupported] unless
// [CanTakeOver] reports true, or the error of the system call that failed; the connection
// is then unchanged.
func (c *Conn) Open(conn net.Conn, p *Poller, watcher Watcher) error {
	tcp, ok := TCP(conn)
	if !ok || !CanTakeOver(conn) {
		return ErrNotSupported
	}
	socket, err := socketOf(tcp)
	if err != nil {
		return err
	}
	c.conn, c.socket = conn, socket
	if encrypted, ok := conn.(*tls.Conn); ok {
		c.tls = encrypted
		c.gate, _ = gateOf(encrypted.NetConn())
		c.gate.taken = c
	}
	if err := p.add(c, watcher); err != nil {
		c.close()
		return err
	}
	return nil
}

// Send writes b, all of which is then written or pending. It may only be called when
// nothing is pending. An error means that the connection is gone.
func (c *Conn) Send(b []byte, now time.Duration) error {
	defer c.note(c.Pending() == 0, now)
	if c.tls != nil {
		_, err := c.tls.Write(b) // into the gate
		return err
	}
	n, err := c.socket.write(b)
	if err != nil {
		return err
	}
	if n < len(b) {
		c.pending = append(c.pending, b[n:]...)
	}
	return nil
}

// note records when bytes began to be pending.
func (c *Conn) note(wasEmpty bool, now time.Duration) {
	if wasEmpty && len(c.pending) > 0 {
		c.pendingSince, c.progress = now, now
	}
}

// Flush writes what is pending, as far as the socket takes it.
func (c *Conn) Flush(now time.Duration) error {
	if len(c.pending) == 0 {
		return nil
	}
	n, err := c.socket.write(c.pending)
	if err != nil {
		return err
	}
	if n > 0 {
		c.progress = now
	}
	if c.pending = c.pending[n:]; len(c.pending) == 0 {
		c.pending = nil
	}
	return nil
}

// Pending is how many bytes the socket has not taken.
func (c *Conn) Pending() int { return len(c.pending) }

// StalledAt is when pending bytes will have waited for patience without the socket
// taking a byte. It means nothing if nothing is pending.
func (c *Conn) StalledAt(patience time.Duration) time.Duration { return c.progress + patience }

// PendingSince is when the bytes that are or were pending last began to be.
func (c *Conn) PendingSince() time.Duration { return c.pendingSince }

// Receive reads what has come over an encrypted connection: the peer may have closed it
// or changed keys. It reports false if the connection is gone or the peer sends more than
// a reader has to send. Without TLS it does nothing and reports true.
func (c *Conn) Receive(now time.Duration) bool {
	if c.tls == nil {
		return true
	}
	defer c.note(c.Pending() == 0, now) // TLS may have had to answer
	var scratch [512]byte
	for total := 0; total < maxRead; {
		n, err := c.tls.Read(scratch[:])
		total += n
		c.received = c.received || n > 0
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

// Clean reports whether the connection can serve another request: the peer has sent
// nothing that [Conn.Receive] took.
func (c *Conn) Clean() bool { return !c.received }

// Release ends the Conn. With keep it returns the connection if it is clean and nothing
// is pending; otherwise it closes the connection and returns nil. A second call does
// nothing and returns nil.
func (c *Conn) Release(p *Poller, keep bool) net.Conn {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	p.remove(c)
	if keep && len(c.pending) == 0 && !c.received {
		c.close()
		return conn
	}
	c.pending = nil
	conn.Close() // over TLS this writes an alert, as far as the socket takes it
	c.close()
	return nil
}

// close forgets the connection, and its descriptor with it.
func (c *Conn) close() {
	if c.gate != nil {
		c.gate.taken = nil
	}
	c.conn, c.tls, c.gate, c.socket, c.pending = nil, nil, nil, noSocket, nil
}
