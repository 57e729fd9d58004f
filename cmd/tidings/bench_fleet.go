package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// benchDials is how many readers of a fleet connect at once.
	benchDials = 64
	// benchQuiet is how long nothing may arrive before what is missing is lost. It
	// covers a reader that the server cuts off for being slow and takes back.
	benchQuiet = 15 * time.Second
	// benchLook is how often it is looked at.
	benchLook = 2 * time.Millisecond
)

// A benchFleet is a set of readers that run.
type benchFleet struct {
	target  *benchTarget
	readers []*benchReader
	opened  time.Duration // how long it took until all were taken in
	quiet   time.Duration
	stop    func() // ends the readers and waits for them
}

// benchFleetSpec says what the readers read: each post by as many as there are.
type benchFleetSpec struct {
	poll    bool
	event   string
	posts   []string
	readers int
}

// fleet starts readers and returns when the server has taken in all of them.
func (t *benchTarget) fleet(ctx context.Context, spec benchFleetSpec) (*benchFleet, error) {
	readers, err := t.muster(spec)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	f := &benchFleet{target: t, readers: readers, quiet: benchQuiet, stop: func() { cancel(); running.Wait() }}
	began := make(chan error, len(readers))
	gate := make(chan struct{}, benchDials)
	start := time.Now()
	for _, r := range readers {
		running.Go(func() {
			gate <- struct{}{}
			r.run(ctx, func(err error) { <-gate; began <- err })
		})
	}
	for i := range readers {
		if err := <-began; err != nil {
			f.stop()
			return nil, fmt.Errorf("reader %d of %d: %w", i+1, len(readers), err)
		}
	}
	f.opened = time.Since(start)
	return f, nil
}

func (t *benchTarget) muster(spec benchFleetSpec) ([]*benchReader, error) {
	readers := make([]*benchReader, spec.readers)
	for i := range readers {
		token, err := t.token(fmt.Sprintf("reader-%d", i))
		if err != nil {
			return nil, err
		}
		post := i % len(spec.posts)
		readers[i] = &benchReader{
			wire: t.wire, poll: spec.poll, post: post, topic: "post:" + spec.posts[post],
			event: spec.event, token: token, now: t.now,
		}
	}
	return readers, nil
}

// settle waits until every reader has seen all that was sent to its post, or until
// nothing has arrived for a while.
func (f *benchFleet) settle(ctx context.Context, sent benchSent) error {
	look := time.NewTicker(benchLook)
	defer look.Stop()
	before, since := int64(-1), time.Now()
	for {
		all, complete := f.progress(sent)
		if complete {
			return nil
		}
		if all != before {
			before, since = all, time.Now()
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

// progress is how much has arrived in all. What failed may have been committed all
// the same, so it is waited for as well.
func (f *benchFleet) progress(sent benchSent) (all int64, complete bool) {
	complete = true
	for _, r := range f.readers {
		n := r.tally.count()
		all += n
		complete = complete && n >= sent.perPost(r.post)
	}
	return all, complete
}

// received is how much has arrived so far.
func (f *benchFleet) received() (sum int64) {
	for _, r := range f.readers {
		sum += r.tally.count()
	}
	return sum
}

// finish returns what the readers saw of what was sent, and begins a new count.
func (f *benchFleet) finish(sent benchSent) benchSight {
	sights := make([]benchSight, len(f.readers))
	for i, r := range f.readers {
		sights[i] = r.tally.finish(sent.ackedOf(r.post), sent.next)
	}
	return sumSights(sights)
}
