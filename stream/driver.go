package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/tidings-live/tidings/stream/internal/conn"
)

// A driver serves one reader, a [Feed] or a [LongPoll], until it ends. Its composer says
// what to write and when; the driver writes it, and ends the reader in one place (close).
//
// One of two loops runs a driver. [driver.serve] is called by the worker of the shard,
// for a connection that was taken over, and never blocks. [driver.run] is called by a
// goroutine of its own, for HTTP/2 and other systems, and may block while it writes.
type driver struct {
	sub      Subscription
	conn     conn.Conn // that was taken over; the zero value with run
	composer composer
	armed    time.Duration // when the timer of the subscription fires
	head     []byte        // to be written before the first bytes
	ending   End           // not empty: the last bytes are written or pending
	counted  int32         // pending bytes of conn that Stats.Unsent includes
	started  bool          // serve or run was asked for
	chunked  bool          // the bytes are sent in chunks
	keep     bool          // the connection can be used again after an orderly end
	slow     bool          // conn took too long for one part
	ended    func(End, net.Conn)
}

// A composer decides what is written to a reader.
type composer interface {
	// compose appends to o the bytes to write now, at most about partBytes of a stream,
	// and says what comes next. left reports that the client has closed its end, or that
	// the connection is lost. compose must not block.
	compose(o *output, left bool) step
}

// A step is what comes after the composed bytes.
type step struct {
	more bool          // compose again at once
	end  End           // not empty: the reader has ended once the bytes are written
	due  time.Duration // compose again at this time of the hub's clock, or when woken
}

// An output is the scratch space of a composer. Readers share it one after the other, so
// no reader has a buffer while it has nothing to write.
type output struct {
	now    time.Duration // by the hub's clock
	date   time.Time
	bytes  []byte // to be written
	frames []*Frame
	count  tally
}

func (o *output) tick(h *Hub) { o.now, o.date = h.now(), time.Now() }

// close ends the reader: it counts the end of one that had started, removes the
// subscription from its shard and tells the owner. Only the first call has an effect.
func (d *driver) close(end End, c net.Conn) {
	sh := d.sub.shard
	sh.mu.Lock()
	open := sh.removeLocked(&d.sub)
	if open && d.started {
		sh.count.Ended[Ended{d.sub.transport, end}]++
	}
	sh.mu.Unlock()
	if open && d.ended != nil {
		d.ended(end, c)
	}
}

// run composes and writes until the reader ends, and returns the error of a write. write
// may block; it returns [os.ErrDeadlineExceeded] if the client took nothing for too long.
// When ctx ends, the client has left.
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
