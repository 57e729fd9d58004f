package takeover

import (
	"net"
	"net/http"
	"sync"
)

// A Listener accepts the connections that were taken over and are free again. An
// http.Server that serves it treats them as new connections. Two things differ from a
// new connection, and this package takes care of them:
//
//   - unless bytes of its next request were read, it may be idle for the server's
//     IdleTimeout; a new one must send a request within ReadHeaderTimeout (see returned);
//   - http.Server.Shutdown waits 5 s for the first request of a new connection. These
//     have served a request already, so Close closes those that are idle.
type Listener struct {
	server *http.Server  // accepts from this listener; its timeouts are read
	wake   chan struct{} // capacity 1: Accept looks at the queue again

	mu     sync.Mutex // guards the fields below
	queue  []*returned
	idle   map[net.Conn]struct{} // accepted, and no request has begun since
	open   bool                  // Accept was called
	closed bool
}

// NewListener makes a listener for a server, which must call [Listener.ConnState] and
// serve the listener.
func NewListener(server *http.Server) *Listener {
	return &Listener{server: server, wake: make(chan struct{}, 1), idle: make(map[net.Conn]struct{})}
}

// ConnState is the ConnState hook of the server.
func (l *Listener) ConnState(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.idle, conn)
}

// Return gives a connection back to the server, with bytes of the next request that were
// read from it. note is what [TakeNote] returns for that request; it may be nil. If the
// listener is closed, or nobody accepts from it, the connection is closed, by another
// goroutine: the Close of a TLS connection writes to the connection and may take 5 s, and a
// worker of the hub calls Return. A nil conn is ignored.
func (l *Listener) Return(conn net.Conn, read []byte, note any) {
	if conn == nil {
		return
	}
	if !l.enqueue(&returned{Conn: conn, server: l.server, read: read, note: note, headed: len(read) > 0}) {
		go conn.Close()
		return
	}
	l.wakeUp()
}

func (l *Listener) enqueue(conn *returned) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open || l.closed {
		return false
	}
	l.queue = append(l.queue, conn)
	return true
}

func (l *Listener) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is pending
	}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if conn, err := l.dequeue(); conn != nil || err != nil {
			return conn, err
		}
		<-l.wake
	}
}

func (l *Listener) dequeue() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	switch {
	case l.closed:
		return nil, net.ErrClosed
	case len(l.queue) == 0:
		return nil, nil
	}
	conn := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.idle[conn] = struct{}{}
	return conn, nil
}

// Close implements [net.Listener]. It also closes the connections that are in the queue
// or idle.
func (l *Listener) Close() error {
	var closing sync.WaitGroup
	for _, conn := range l.shut() { // at the same time: each Close over TLS may take 5 s
		closing.Go(func() { conn.Close() })
	}
	closing.Wait()
	l.wakeUp()
	return nil
}

// shut marks the listener closed and returns the connections to close. They are closed
// without the lock, because the Close of a TLS connection writes to it.
func (l *Listener) shut() []net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var conns []net.Conn
	for _, conn := range l.queue {
		conns = append(conns, conn)
	}
	for conn := range l.idle {
		conns = append(conns, conn)
	}
	l.queue = nil
	clear(l.idle)
	return conns
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "returned" }
func (addr) String() string  { return "returned" }
