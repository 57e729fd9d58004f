package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// dialsAtOnce is how many readers of a fleet connect at once.
	dialsAtOnce = 64
	// lostAfter is how long nothing may arrive before what is missing is lost. It
	// covers a reader that the server cuts off for being slow and takes back.
	lostAfter = 15 * time.Second
	// lookEvery is how often it is looked at.
	lookEvery = 2 * time.Millisecond
)

// A fleet is a set of readers that run.
type fleet struct {
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
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	f := &fleet{target: t, readers: readers, quiet: lostAfter, stop: func() { cancel(); running.Wait() }}
	began := make(chan error, len(readers))
	gate := make(chan struct{}, dialsAtOnce)
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

func (t *target) muster(spec fleetSpec) ([]*reader, error) {
	readers := make([]*reader, spec.readers)
	for i := range readers {
		token, err := t.token(fmt.Sprintf("reader-%d", i))
		if err != nil {
			return nil, err
		}
		post := i % len(spec.posts)
		readers[i] = &reader{
			wire: t.wire, poll: spec.poll, post: post, topic: "post:" + spec.posts[post],
			event: spec.event, token: token, now: t.now,
		}
	}
	return readers, nil
}

// settle waits until every reader has seen all that was sent to its post, or until
// nothing has arrived for a while.
func (f *fleet) settle(ctx context.Context, sent sent) error {
	look := time.NewTicker(lookEvery)
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
func (f *fleet) progress(sent sent) (all int64, complete bool) {
	complete = true
	for _, r := range f.readers {
		n := r.tally.count()
		all += n
		complete = complete && n >= sent.perPost(r.post)
	}
	return all, complete
}

// received is how much has arrived so far.
func (f *fleet) received() (sum int64) {
	for _, r := range f.readers {
		sum += r.tally.count()
	}
	return sum
}

// finish returns what the readers saw of what was sent, and begins a new count.
func (f *fleet) finish(sent sent) sight {
	sights := make([]sight, len(f.readers))
	for i, r := range f.readers {
		sights[i] = r.tally.finish(sent.ackedOf(r.post), sent.next)
	}
	return sumSights(sights)
}
