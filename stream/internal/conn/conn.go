package conn

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// ErrNotSupported is the error of [Open] for a connection that cannot be taken over.
var ErrNotSupported = errors.New("no socket under this connection")

// maxRead is the largest number of bytes that one call of [Conn.Receive] accepts from a
// reader over TLS. The messages of TLS itself need much less.
const maxRead = 16 << 10

// A Conn is a connection that takes bytes without blocking. Its zero value has no
// connection; [Conn.Open] gives it one. A Conn belongs to one goroutine at a time. It
// holds the descriptor of the socket, so nothing else may close the connection until
// Release.
type Conn struct {
	socket  socket
	tls     *tls.Conn // nil if the connection is not encrypted
	pending []byte    // encoded bytes that the socket has not accepted
	shared  *shared   // bytes to send after pending; nil: none
	conn    net.Conn  // nil before Open and after Release
	gate    *gate     // gate below tls

	pendingSince time.Duration // when pending was last empty
	progress     time.Duration // when the socket last accepted a byte of pending
	place        place         // slot in the poller
	received     bool          // the peer has sent bytes after its request
}

// A shared has the pending bytes of [Conn.SendShared]. Other connections may refer to the
// same bytes, so they are not changed.
type shared struct {
	bytes []byte
	after []byte // to be sent after bytes
}

// A Watcher is notified of changes of the socket of a [Conn].
type Watcher interface {
	// SocketChanged reports that the socket can be written again; with readable, that the
	// peer has sent bytes; with gone, that the peer has closed its end or the connection has
	// failed. It is called by the goroutine of the poller and must not block.
	SocketChanged(readable, gone bool)
}

// Open takes a connection over. The caller must not use the connection until [Conn.Release]
// returns it. From now on the poller calls watcher; without input, it does not report that a
// connection without TLS is readable. Open returns [ErrNotSupported] unless [CanTakeOver]
// reports true, or the error of a failed system call. On an error the connection is
// unchanged.
func (c *Conn) Open(conn net.Conn, p *Poller, watcher Watcher, input bool) error {
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
	if err := p.add(c, watcher, input || c.tls != nil); err != nil {
		c.close()
		return err
	}
	return nil
}

// Send writes b. Bytes that the socket does not accept are then pending. It may be called
// only if no bytes are pending. An error means that the connection is gone.
func (c *Conn) Send(b []byte, now time.Duration) error {
	defer c.note(c.Pending() == 0, now)
	if c.tls != nil {
		_, err := c.tls.Write(b) // writes to the gate
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

// SendShared is like Send of before, middle and after, one after another. Bytes of middle
// that the socket does not accept are not copied, so middle must not change afterwards; over
// TLS they are encrypted into a copy.
func (c *Conn) SendShared(before, middle, after []byte, now time.Duration) error {
	for i, part := range [...][]byte{before, middle, after} {
		switch {
		case c.Pending() == 0 && (i != 1 || c.tls != nil):
			if err := c.Send(part, now); err != nil {
				return err
			}
		case c.Pending() == 0:
			n, err := c.socket.write(part)
			if err != nil {
				return err
			}
			if n < len(part) {
				c.shared = &shared{bytes: part[n:]}
				c.note(true, now)
			}
		case c.tls != nil:
			if _, err := c.tls.Write(part); err != nil { // appends to pending
				return err
			}
		case c.shared != nil:
			c.shared.after = append(c.shared.after, part...)
		default: // a part of before is pending
			c.shared = &shared{bytes: part}
		}
	}
	return nil
}

// note records the time at which bytes became pending. wasEmpty says that none were pending
// before.
func (c *Conn) note(wasEmpty bool, now time.Duration) {
	if wasEmpty && c.Pending() > 0 {
		c.pendingSince, c.progress = now, now
	}
}

// Flush writes as many pending bytes as the socket accepts.
func (c *Conn) Flush(now time.Duration) error {
	for c.Pending() > 0 {
		next := &c.pending
		if len(c.pending) == 0 {
			next = &c.shared.bytes
		}
		n, err := c.socket.write(*next)
		if err != nil {
			return err
		}
		if n > 0 {
			c.progress = now
		}
		if *next = (*next)[n:]; len(*next) > 0 {
			return nil
		}
		c.pending = nil
		if c.shared != nil && len(c.shared.bytes) == 0 {
			c.pending, c.shared = c.shared.after, nil
		}
	}
	return nil
}

// Pending returns the number of bytes that the socket has not accepted.
func (c *Conn) Pending() int {
	if c.shared == nil {
		return len(c.pending)
	}
	return len(c.pending) + len(c.shared.bytes) + len(c.shared.after)
}

// Copied returns the number of pending bytes that no other connection refers to.
func (c *Conn) Copied() int {
	if c.shared == nil {
		return len(c.pending)
	}
	return len(c.pending) + len(c.shared.after)
}

// StalledAt returns the time at which the socket will have accepted no byte for patience. The
// result has no meaning if no bytes are pending.
func (c *Conn) StalledAt(patience time.Duration) time.Duration { return c.progress + patience }

// PendingSince returns the time since which bytes are pending. If none are, it returns that
// of the last pending bytes.
func (c *Conn) PendingSince() time.Duration { return c.pendingSince }

// Receive reads from an encrypted connection, so that TLS can handle its own messages: the
// peer may have closed the connection or changed keys. It reports false if the connection is
// gone or the peer has sent more than maxRead bytes. Without TLS it does nothing and reports
// true.
func (c *Conn) Receive(now time.Duration) bool {
	if c.tls == nil {
		return true
	}
	defer c.note(c.Pending() == 0, now) // TLS may have written an answer
	var scratch [512]byte
	for total := 0; total < maxRead; {
		n, err := c.tls.Read(scratch[:])
		total += n
		c.received = c.received || n > 0
		if err != nil {
			return isNothing(err)
		}
	}
	return false
}

// Read reads the bytes that the peer has sent, at most len(b). It does not block: n is 0 if
// there are none. Bytes that Read has returned do not make the Conn unclean. It needs Open
// with input.
func (c *Conn) Read(b []byte, now time.Duration) (n int, err error) {
	if c.tls == nil {
		n, err = c.socket.read(b)
	} else {
		defer c.note(c.Pending() == 0, now) // TLS may have written an answer
		for more := 0; n < len(b) && err == nil; n += more {
			more, err = c.tls.Read(b[n:])
		}
	}
	if isNothing(err) || n > 0 { // another call returns the error
		err = nil
	}
	return n, err
}

// isNothing reports whether an error says that there is nothing to read at the moment.
func isNothing(err error) bool {
	var wait net.Error
	return errors.As(err, &wait) && wait.Timeout()
}

// Clean reports whether the connection can serve another request: [Conn.Receive] has read no
// bytes that belong to one.
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
	if keep && c.Pending() == 0 && !c.received {
		c.close()
		return conn
	}
	c.pending, c.shared = nil, nil
	conn.Close() // over TLS this also writes an alert, if the socket accepts it
	c.close()
	return nil
}

// close removes the connection and its descriptor from the Conn.
func (c *Conn) close() {
	if c.gate != nil {
		c.gate.taken = nil
	}
	c.conn, c.tls, c.gate, c.socket, c.pending, c.shared = nil, nil, nil, noSocket, nil, nil
}
