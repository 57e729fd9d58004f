package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// writeTimeout is how long one write may take before it has failed.
const writeTimeout = 30 * time.Second

// A sendFunc writes event n as one of the workers.
type sendFunc func(ctx context.Context, worker, n int) error

// A load is several workers that send numbered events, worker w to post w
// modulo posts.
type load struct {
	workers int
	posts   int
	send    sendFunc
	more    func(context.Context) bool // waits for a worker's turn; false when it is over
	now     func() time.Duration
	next    atomic.Int64 // number of the next event

	answered []atomic.Int64 // by post, in this run
}

// sent is how many events were sent or are on their way, in all runs so far.
func (l *load) sent() int { return int(l.next.Load()) }

// sent is what became of a load.
type sent struct {
	begin  time.Duration
	end    time.Duration
	next   int     // the first number that was not used
	acked  [][]int // by post
	failed []int   // by post
	why    error   // of the first failure
	took   []time.Duration
}

// run returns when the last event is answered. The next run goes on counting.
func (l *load) run(ctx context.Context) (sent, error) {
	each := make([]sent, l.workers)
	l.answered = make([]atomic.Int64, l.posts)
	begin := l.now()
	var running sync.WaitGroup
	for w := range each {
		running.Go(func() {
			for l.more(ctx) && ctx.Err() == nil {
				each[w].one(ctx, l, w)
			}
		})
	}
	running.Wait()
	sent := l.merge(each)
	sent.begin, sent.end, sent.next = begin, l.now(), int(l.next.Load())
	if len(sent.took) == 0 {
		return sent, errors.Join(ctx.Err(), fmt.Errorf("no write succeeded: %w", sent.why))
	}
	return sent, ctx.Err()
}

// one sends one event. All that a worker sends is for one post.
func (s *sent) one(ctx context.Context, l *load, worker int) {
	if s.acked == nil {
		s.acked, s.failed = make([][]int, 1), make([]int, 1)
	}
	n := int(l.next.Add(1) - 1)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	begin := l.now()
	if err := l.send(ctx, worker, n); err != nil {
		s.failed[0]++
		if s.why == nil {
			s.why = err
		}
		return
	}
	l.answered[worker%l.posts].Add(1)
	s.took = append(s.took, l.now()-begin)
	s.acked[0] = append(s.acked[0], n)
}

func (l *load) merge(each []sent) sent {
	all := sent{acked: make([][]int, l.posts), failed: make([]int, l.posts)}
	for w, s := range each {
		if s.acked == nil {
			continue
		}
		post := w % l.posts
		all.acked[post] = append(all.acked[post], s.acked[0]...)
		all.failed[post] += s.failed[0]
		all.took = append(all.took, s.took...)
		if all.why == nil {
			all.why = s.why
		}
	}
	return all
}

func (s sent) ackedOf(post int) []int { return s.acked[post] }

// perPost is how many events a reader of the post may see.
func (s sent) perPost(post int) int64 {
	return int64(len(s.acked[post]) + s.failed[post])
}

func (s sent) failures() (n int) {
	for _, f := range s.failed {
		n += f
	}
	return n
}

// lasting gives everybody a turn until the time is over.
func lasting(d time.Duration) func(context.Context) bool {
	end := time.Now().Add(d)
	return func(context.Context) bool { return time.Now().Before(end) }
}

// turns gives n turns, as quick as they are taken.
func turns(n int) func(context.Context) bool {
	var taken atomic.Int64
	return func(context.Context) bool { return taken.Add(1) <= int64(n) }
}

// paced gives n turns at a steady rate, each to whoever is free: a server that
// is late once does not slow the rest down.
func paced(n int, perSecond float64) func(context.Context) bool {
	begin := time.Now()
	var taken atomic.Int64
	return func(ctx context.Context) bool {
		i := taken.Add(1) - 1
		if i >= int64(n) {
			return false
		}
		timer := time.NewTimer(time.Until(begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
