package bench

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// reconnectDelay is how long a reader waits before it replaces a connection that ended.
const reconnectDelay = 100 * time.Millisecond

// A reader reads one topic over one connection at a time, and counts the events with
// one name. When its connection ends it opens another, with its cursor.
//
// Fields without a type of package sync/atomic are for one goroutine at a time: the
// reader's own while it connects, and the epoll loop that has its connection afterwards.
type reader struct {
	dialer    *dialer
	protocol  protocol
	post      int    // index of the reader's post among those of the load
	topic     string // of that post
	counted   string // name of the events that are counted
	token     string // "" to read without one
	now       func() time.Duration
	pool      *readerPool
	tally     tally
	cursor    []byte      // empty until the server has sent one
	wasLive   bool        // the server has accepted this reader at least once
	live      bool        // the server has accepted the current connection
	connected func(error) // called once: with nil when live, or with the first error

	away     time.Duration // between two connections; 0: reconnectDelay
	paceLock sync.Mutex    // guards paces, which another goroutine resets
	paces    *statePaces   // nil: only events with a mark are counted

	conn atomic.Pointer[rawConn] // current connection; nil if an epoll loop reads it
}

// run reads until ctx ends. It returns earlier if an epoll loop has taken the
// connection over; the loop's callback runs it again when that connection ends.
func (r *reader) run(ctx context.Context) {
	for {
		taken, err := r.connect(ctx)
		if taken || !r.waitToReconnect(ctx, err) {
			return
		}
	}
}

// waitToReconnect records that the connection ended with err, and waits. It returns
// false if the reader must not connect again: ctx has ended, or the server has never
// accepted the reader.
func (r *reader) waitToReconnect(ctx context.Context, err error) bool {
	if r.live {
		r.live = false
		r.pool.live.Add(-1)
	}
	if !r.wasLive {
		r.connected(err)
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(cmp.Or(r.away, reconnectDelay)):
		r.tally.cut()
		return true
	}
}

// ready records that the server has accepted the connection.
func (r *reader) ready() {
	if !r.live {
		r.live = true
		r.pool.live.Add(1)
		r.pool.becameLive.Add(1)
	}
	if !r.wasLive {
		r.wasLive = true
		r.connected(nil)
	}
}

// take counts an event that arrived now; id is its cursor.
func (r *reader) take(m mark, id []byte) {
	if r.tally.take(m, parsePosition(id), r.now()) {
		r.pool.received.Add(1)
	}
}

// setCursor sets where the next connection resumes. It copies id.
func (r *reader) setCursor(id []byte) { r.cursor = append(r.cursor[:0], id...) }

// connect opens a connection and reads it to its end. It returns true at once if an
// epoll loop reads it instead.
func (r *reader) connect(ctx context.Context) (taken bool, err error) {
	conn, in, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	ended := func(err error) {
		r.pool.spawn(func() {
			if r.waitToReconnect(ctx, err) {
				r.run(ctx)
			}
		})
	}
	if r.pool.epoll.add(conn, in, ended) {
		return true, nil
	}
	return false, r.readConn(conn, func() error { return conn.feedAll(in) })
}

// readConn calls read, and lets [readerPool.cut] close the connection meanwhile.
func (r *reader) readConn(conn *rawConn, read func() error) error {
	r.conn.Store(conn)
	defer func() { r.conn.Store(nil); conn.close() }()
	return read()
}

// open connects and sends the request, when one of the [DialsAtOnce] slots of the pool
// is free.
func (r *reader) open(ctx context.Context) (conn *rawConn, in feeder, err error) {
	select {
	case r.pool.connecting <- struct{}{}:
		defer func() { <-r.pool.connecting }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if conn, err = r.dialer.dial(ctx); err != nil {
		return nil, nil, err
	}
	if in, err = r.protocol.open(r, conn); err != nil {
		conn.close()
		return nil, nil, err
	}
	return conn, in, nil
}
