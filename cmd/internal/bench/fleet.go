package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// DialsAtOnce is how many readers of a fleet connect at once.
	DialsAtOnce = 64
	// lostAfter is how long nothing may arrive before what is missing is lost. It
	// covers a reader that the server cuts off for being slow and takes back.
	lostAfter = 15 * time.Second
	// lookEvery is how often it is looked at.
	lookEvery = 2 * time.Millisecond
)

// A fleet is a set of readers that run.
type fleet struct {
	crowd
	target  *target
	readers []*reader
	opened  time.Duration // how long it took until all were taken in
	quiet   time.Duration
	stop    func() // ends the readers and waits for them
}

// fleetSpec says what the readers read: each post by as many as there are.
type fleetSpec struct {
	poll    bool
	event   string
	posts   []string
	readers int
}

// fleet starts readers and returns when the server has taken in all of them.
func (t *target) fleet(ctx context.Context, spec fleetSpec) (*fleet, error) {
	readers, err := t.muster(spec)
	if err != nil {
		return nil, err
	}
	return t.gather(ctx, readers)
}

func (t *target) muster(spec fleetSpec) ([]*reader, error) {
	var how dialect = tidingsStream{}
	if spec.poll {
		how = tidingsPoll{}
	}
	readers := make([]*reader, spec.readers)
	for i := range readers {
		token, err := t.token(fmt.Sprintf("reader-%d", i))
		if err != nil {
			return nil, err
		}
		post := i % len(spec.posts)
		readers[i] = &reader{dialect: how, post: post, topic: "post:" + spec.posts[post], counted: spec.event, token: token}
	}
	return readers, nil
}

// gather starts the readers.
func (t *target) gather(ctx context.Context, readers []*reader) (_ *fleet, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	f := &fleet{target: t, readers: readers, quiet: lostAfter, stop: func() { cancel(); running.Wait() }}
	f.crowd.gate, f.crowd.spawn = make(chan struct{}, DialsAtOnce), running.Go
	if f.crowd.swarm, err = newSwarm(ctx, running.Go); err != nil {
		cancel()
		return nil, err
	}
	began := make(chan error, len(readers))
	start := time.Now()
	for _, r := range readers {
		r.wire, r.now, r.crowd, r.began = t.wire, t.now, &f.crowd, func(err error) { began <- err }
		running.Go(func() { r.run(ctx) })
	}
	defer t.out.during(func() string { return fmt.Sprintf("%d of %d readers connected", f.live.Load(), len(readers)) })()
	for i := range readers {
		if err := <-began; err != nil {
			f.stop()
			return nil, fmt.Errorf("reader %d of %d: %w", i+1, len(readers), err)
		}
	}
	f.opened = time.Since(start)
	return f, nil
}

// settle waits until every reader has seen all that was sent to its post, or until
// nothing has arrived for a while.
func (f *fleet) settle(ctx context.Context, sent sent) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	all := f.expected(sent)
	before, since := int64(-1), time.Now()
	for {
		n := f.arrived.Load()
		if n >= all && f.complete(sent) {
			return nil
		}
		if n != before {
			before, since = n, time.Now()
		}
		if time.Since(since) > f.quiet {
			return nil // the count tells what is missing
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// expected is how much is to arrive in all. What failed may have been committed all
// the same, so it is waited for as well.
func (f *fleet) expected(sent sent) (all int64) {
	for _, r := range f.readers {
		all += sent.perPost(r.post)
	}
	return all
}

// complete looks at each reader.
func (f *fleet) complete(sent sent) bool {
	for _, r := range f.readers {
		if r.tally.count() < sent.perPost(r.post) {
			return false
		}
	}
	return true
}

// finish returns what the readers saw of what was sent, and begins a new count.
func (f *fleet) finish(sent sent) sight {
	sights := make([]sight, len(f.readers))
	f.arrived.Store(0)
	for i, r := range f.readers {
		sights[i] = r.tally.finish(sent.ackedOf(r.post), sent.next)
	}
	return sumSights(sights)
}
