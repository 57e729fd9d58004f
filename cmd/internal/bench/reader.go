package bench

import (
	"context"
	"encoding/json"
	"io"
	"sync/atomic"
	"time"
)

// restTime is how long a reader that was cut off waits before it resumes.
const restTime = 100 * time.Millisecond

// A reader reads one topic and counts the events of one name in it. It belongs to one
// goroutine at a time: its own while it connects, that of the swarm afterwards.
type reader struct {
	wire    *wire
	dialect dialect
	post    int // index of it
	topic   string
	counted string // name of the events that are counted
	token   string
	now     func() time.Duration
	crowd   *crowd
	tally   tally
	cursor  []byte
	begun   bool                     // it was live once
	live    bool                     // the server has it at the moment
	conn    atomic.Pointer[wireConn] // unless the swarm has it
	began   func(error)              // called once: with nil when it is live, or why it never will be
}

// A crowd is what the readers of a fleet have in common.
type crowd struct {
	swarm   *swarm        // nil where every connection has a goroutine
	gate    chan struct{} // holds those that connect
	spawn   func(func())  // runs something beside, and has stop wait for it
	arrived atomic.Int64  // events, since the last count
	live    atomic.Int64  // readers that the server has
	readied atomic.Int64  // times that one came to be live
}

// run reads until ctx ends, and resumes from its cursor whenever it was cut. It
// returns early when the swarm has taken the connection, and is run again after it.
func (r *reader) run(ctx context.Context) {
	for {
		taken, err := r.connect(ctx)
		if taken || !r.ended(ctx, err) {
			return
		}
	}
}

// ended waits a little after a connection, and returns whether there is to be another.
func (r *reader) ended(ctx context.Context, err error) bool {
	if r.live {
		r.live = false
		r.crowd.live.Add(-1)
	}
	if !r.begun {
		r.began(err)
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(restTime):
		r.tally.cut()
		return true
	}
}

// ready notes that the server has taken it in.
func (r *reader) ready() {
	if !r.live {
		r.live = true
		r.crowd.live.Add(1)
		r.crowd.readied.Add(1)
	}
	if !r.begun {
		r.begun = true
		r.began(nil)
	}
}

// take counts an event at its cursor.
func (r *reader) take(m mark, id []byte) {
	if r.tally.take(m, parsePosition(id), r.now()) {
		r.crowd.arrived.Add(1)
	}
}

func (r *reader) setCursor(id []byte) { r.cursor = append(r.cursor[:0], id...) }

// connect reads one connection to its end, or hands it to the swarm.
func (r *reader) connect(ctx context.Context) (taken bool, err error) {
	conn, in, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	if in == nil { // one that asks again and again
		return false, r.hold(conn, func() error { return r.polls(conn) })
	}
	ended := func(err error) {
		r.crowd.spawn(func() {
			if r.ended(ctx, err) {
				r.run(ctx)
			}
		})
	}
	if r.crowd.swarm.adopt(conn, in, ended) {
		return true, nil
	}
	return false, r.hold(conn, func() error { return conn.pump(in) })
}

// hold lets the connection be cut by others as long as it is read.
func (r *reader) hold(conn *wireConn, read func() error) error {
	r.conn.Store(conn)
	defer func() { r.conn.Store(nil); conn.close() }()
	return read()
}

// open connects and asks, as one of a few at a time.
func (r *reader) open(ctx context.Context) (conn *wireConn, in feeder, err error) {
	select {
	case r.crowd.gate <- struct{}{}:
		defer func() { <-r.crowd.gate }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if conn, err = r.wire.dial(ctx); err != nil {
		return nil, nil, err
	}
	if in, err = r.dialect.open(r, conn); err != nil {
		conn.close()
		return nil, nil, err
	}
	return conn, in, nil
}

// polls asks again and again over one connection, until that ends.
func (r *reader) polls(conn *wireConn) error {
	for {
		query := r.query()
		query.Set("limit", "1000")
		answer, err := conn.ask(conn.wire.get("/v1/poll?"+query.Encode(), r.token, "application/json", ""))
		if err != nil {
			return err
		}
		if err := r.page(answer.Body); err != nil {
			return err
		}
		r.ready()
		if answer.Close {
			return io.EOF
		}
	}
}

// page takes the events of one answer, and reads it to its end.
func (r *reader) page(body io.Reader) error {
	var page struct {
		Events []struct {
			ID, Event string
			Data      json.RawMessage
		}
		Cursor string
	}
	if err := json.NewDecoder(body).Decode(&page); err != nil {
		return err
	}
	for _, e := range page.Events {
		if m, ok := findMark(e.Data); ok && e.Event == r.counted {
			r.take(m, []byte(e.ID))
		}
	}
	r.setCursor([]byte(page.Cursor))
	_, err := io.Copy(io.Discard, body)
	return err
}
