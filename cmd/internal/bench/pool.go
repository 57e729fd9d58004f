package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DialsAtOnce is how many readers of a pool connect at the same time.
	DialsAtOnce = 64
	// lostAfter is how long no event may arrive before missing events count as lost. A
	// reader that the server cuts off for being slow can reconnect and resume in that
	// time.
	lostAfter = 15 * time.Second
	// checkInterval is the time between two checks of a condition.
	checkInterval = 2 * time.Millisecond
)

// A readerPool is the set of readers of a measurement.
type readerPool struct {
	target   *target
	readers  []*reader
	opened   time.Duration // time until the server had accepted all readers
	patience time.Duration // lostAfter, but for tests
	stop     func()        // ends the readers and waits for them

	epoll      *epollReaders // nil where every connection has a goroutine
	connecting chan struct{} // holds a value for each reader that is connecting
	spawn      func(func())  // runs a function in a goroutine that stop waits for
	received   atomic.Int64  // events received by all readers since the last finish
	live       atomic.Int64  // readers whose connection the server has accepted
	becameLive atomic.Int64  // connections that the server has accepted so far
}

// A readerSpec describes readers. They are spread evenly over the posts.
type readerSpec struct {
	poll    bool // long-poll instead of SSE
	event   string
	posts   []string
	readers int
}

// connectReaders starts readers and returns when the server has accepted all of them.
// ctx covers the readers' whole life.
func (t *target) connectReaders(ctx context.Context, spec readerSpec) (*readerPool, error) {
	readers, err := t.newReaders(spec)
	if err != nil {
		return nil, err
	}
	return t.startReaders(ctx, readers)
}

// newReaders returns readers that are not connected. Each is another user.
func (t *target) newReaders(spec readerSpec) ([]*reader, error) {
	var how protocol = tidingsStream{}
	if spec.poll {
		how = polling{newTidingsPoll}
	}
	readers := make([]*reader, spec.readers)
	for i := range readers {
		token, err := t.token(fmt.Sprintf("reader-%d", i))
		if err != nil {
			return nil, err
		}
		post := i % len(spec.posts)
		readers[i] = &reader{protocol: how, post: post, topic: "post:" + spec.posts[post], counted: spec.event, token: token}
	}
	return readers, nil
}

// startReaders runs the readers and returns when the server has accepted all of them.
// If it refuses one, all are ended and its error is returned.
func (t *target) startReaders(ctx context.Context, readers []*reader) (_ *readerPool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	p := &readerPool{
		target: t, readers: readers, patience: lostAfter, stop: func() { cancel(); running.Wait() },
		connecting: make(chan struct{}, DialsAtOnce), spawn: running.Go,
	}
	if p.epoll, err = newEpollReaders(ctx, running.Go); err != nil {
		cancel()
		return nil, err
	}
	connected := make(chan error, len(readers))
	start := time.Now()
	for _, r := range readers {
		r.dialer, r.now, r.pool, r.connected = t.dialer, t.now, p, func(err error) { connected <- err }
		running.Go(func() { r.run(ctx) })
	}
	defer t.out.logDuring(func() string { return fmt.Sprintf("%d of %d readers connected", p.live.Load(), len(readers)) })()
	for i := range readers {
		if err := <-connected; err != nil {
			p.stop()
			return nil, fmt.Errorf("reader %d of %d: %w", i+1, len(readers), err)
		}
	}
	p.opened = time.Since(start)
	return p, nil
}

// measure runs a load and waits until its readers have received it.
func (p *readerPool) measure(ctx context.Context, what string, l *load) (sent, observed, error) {
	defer p.target.out.logDuring(func() string {
		return fmt.Sprintf("%s: %d sent, %d received", what, l.next.Load(), p.received.Load())
	})()
	sent, err := l.run(ctx)
	if err != nil {
		return sent, observed{}, err
	}
	if err := p.awaitEvents(ctx, sent); err != nil {
		return sent, observed{}, err
	}
	return sent, p.finish(sent), nil
}

// awaitEvents waits until every reader has received all events that were sent to its
// post. It also returns if no event has arrived for the pool's patience: finish then
// counts what is missing. Its only error is that of ctx.
func (p *readerPool) awaitEvents(ctx context.Context, sent sent) error {
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	all := p.expected(sent)
	before, since := int64(-1), time.Now()
	for {
		n := p.received.Load()
		if n >= all && p.complete(sent) {
			return nil
		}
		if n != before {
			before, since = n, time.Now()
		}
		if time.Since(since) > p.patience {
			return nil
		}
		select {
		case <-check.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// expected returns how many events all readers together wait for. It includes writes
// that failed: the server may have committed them.
func (p *readerPool) expected(sent sent) (all int64) {
	for _, r := range p.readers {
		all += sent.perPost(r.post)
	}
	return all
}

// complete returns whether each reader has received all events of its post. It is slower
// than a look at received, which may count events of other posts.
func (p *readerPool) complete(sent sent) bool {
	for _, r := range p.readers {
		if r.tally.total() < sent.perPost(r.post) {
			return false
		}
	}
	return true
}

// finish returns what the readers observed of the events that were sent, and resets
// their counts.
func (p *readerPool) finish(sent sent) observed {
	all := make([]observed, len(p.readers))
	p.received.Store(0)
	for i, r := range p.readers {
		all[i] = r.tally.finish(sent.ackedOf(r.post), sent.next)
	}
	return sumObserved(all)
}

// cutSome closes the connections of n readers, and returns how many it closed.
func (p *readerPool) cutSome(n int) int {
	cut := p.epoll.cutSome(n)
	for _, r := range p.readers {
		if cut == n {
			break
		}
		if conn := r.conn.Swap(nil); conn != nil {
			conn.Conn.Close()
			cut++
		}
	}
	return cut
}

// cut closes the connections of all readers at once.
func (p *readerPool) cut() {
	p.epoll.cut()
	for _, r := range p.readers {
		if conn := r.conn.Load(); conn != nil {
			conn.Conn.Close()
		}
	}
}
