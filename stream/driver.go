package stream

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream/internal/conn"
)

// A driver serves one reader, a [Feed] or a [LongPoll], until the reader ends. Its composer
// decides which bytes are written and when. The driver writes them. The method close is the
// only place that ends a reader.
//
// A driver runs in one of two ways. If the connection was taken over, the worker of the
// shard calls [driver.serve], which never blocks. Otherwise (HTTP/2, systems other than
// Linux) the goroutine of the request calls [driver.run], which may block while it writes.
type driver struct {
	sub      Subscription
	conn     conn.Conn // connection that was taken over; the zero value with run
	composer composer
	armed    time.Duration // when the timer of the subscription fires
	head     []byte        // to be written before the first bytes
	ending   End           // if not empty, the last bytes are written or pending
	counted  int32         // pending bytes of conn that are counted in Stats.Unsent
	started  bool          // takeOver or run was called
	chunked  bool          // the bytes are sent in chunks
	keep     bool          // the connection can be used again after an orderly end
	slow     bool          // conn took too long for one part
}

// An owner is a driver whose connection was taken over. The worker of the shard calls its
// methods.
type owner interface {
	// serve does what the subscription was marked for.
	serve(w *worker)
	// finish ends the reader.
	finish(w *worker, end End)
}

// A composer decides what is written to a reader.
type composer interface {
	// compose appends to o the bytes to write now, at most about partBytes of a stream,
	// and says what comes next. left reports that the client has closed its end, or that
	// the connection is lost. compose must not block.
	compose(o *output, left bool) step
	// pending is called when the socket has not accepted all bytes of the last step. It
	// reports whether there is memory for the rest.
	pending(o *output) bool
	// rest is called after an orderly end that leaves the connection usable. It reports
	// whether the composer keeps the connection.
	rest(w *worker, end End) bool
	// ended is called once, when the reader has ended. c is the connection, or nil if it is
	// closed.
	ended(end End, c net.Conn)
}

// A step says when compose is called again, or that the reader ends.
type step struct {
	more bool          // compose is called again at once
	end  End           // if not empty, the reader ends when the bytes are written
	due  time.Duration // compose is called again at this time of the hub's clock, or when marked
}

// An output is the buffer that a composer writes to. All readers of a worker use the same
// output, one after another, so a reader that has nothing to write needs no buffer.
type output struct {
	now    time.Duration // current time of the hub's clock
	date   time.Time
	bytes  []byte    // to be written
	body   *PollBody // to be written before the byte with the index place; nil: none
	place  int
	frames []*Frame
	bodies bodies // nil: polls share no bodies
	cost   pollCost
	count  tally
}

// sharedFrom is the size from which a body is written apart, so that what a socket does not
// accept is not copied. A smaller one is written together with the other bytes.
const sharedFrom = 16 << 10

// insert moves the body into bytes, unless it has at least the given size.
func (o *output) insert(size int) {
	if o.body != nil && len(o.body.Bytes) < size {
		o.bytes = slices.Insert(o.bytes, o.place, o.body.Bytes...)
		o.body = nil
	}
}

func (o *output) tick(h *Hub) { o.now, o.date = h.now(), time.Now() }

// close ends the reader: it removes the subscription from its shard, counts the end if the
// reader had started, and calls ended. Only the first call has an effect.
func (d *driver) close(end End, c net.Conn) {
	sh := d.sub.shard
	sh.mu.Lock()
	open := sh.removeLocked(&d.sub)
	if open && d.started {
		sh.count.Ended[Ended{d.sub.transport, end}]++
	}
	sh.mu.Unlock()
	if open {
		d.composer.ended(end, c)
	}
}

// run composes and writes until the reader ends, and returns the error of a write. write
// may block. It returns [os.ErrDeadlineExceeded] if the client has accepted no byte for too
// long. The end of ctx means that the client has left.
func (d *driver) run(ctx context.Context, write func([]byte) error) error {
	if err := d.sub.shard.assign(&d.sub, nil); err != nil {
		return err
	}
	d.started = true
	end := EndLeft
	defer func() { d.close(end, nil) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	o := output{bytes: make([]byte, 0, 4<<10)}
	for {
		o.tick(d.sub.shard.hub)
		o.bytes = o.bytes[:0]
		s := d.composer.compose(&o, ctx.Err() != nil)
		o.insert(math.MaxInt)
		if err := d.write(&o, write); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				end = EndStalled
			}
			return err
		}
		switch {
		case s.end != "":
			end = s.end
			return nil
		case s.more:
			continue
		}
		timer.Reset(s.due - o.now)
		select {
		case <-d.sub.ready:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

func (d *driver) write(o *output, write func([]byte) error) error {
	if len(o.bytes) == 0 {
		return nil
	}
	if err := write(o.bytes); err != nil {
		return err
	}
	o.count.wrote(d.sub.transport, len(o.bytes))
	sh := d.sub.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	o.count.flush(&sh.count)
	return nil
}
