package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// writeTimeout is how long one write may take before it counts as failed.
const writeTimeout = 30 * time.Second

// A sendFunc writes event n as one of the workers and returns when it is acknowledged.
type sendFunc func(ctx context.Context, worker, n int) error

// A load is a number of workers that send numbered events. Worker w sends to post
// w modulo posts.
type load struct {
	workers int
	posts   int
	send    sendFunc
	more    func(context.Context) bool // waits for a worker's next turn; false ends the worker
	now     func() time.Duration
	next    atomic.Int64 // number of the next event

	answered []atomic.Int64 // acknowledged events of the current run, by post
}

// sent returns how many events have been sent in all runs so far, those without an
// answer included.
func (l *load) sent() int { return int(l.next.Load()) }

// sent is the result of one run of a load.
type sent struct {
	begin    time.Duration
	end      time.Duration // when the last event was answered
	next     int           // the first number that was not used
	acked    [][]int       // numbers of the acknowledged events, by post
	failed   []int         // number of events that failed, by post
	firstErr error         // of the events that failed
	took     []time.Duration
}

// run sends events until more returns false for each worker. A later run continues the
// numbers. The error is that of ctx, or of the first event if no event was acknowledged.
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
	if len(sent.took) == 0 && sent.firstErr != nil {
		return sent, errors.Join(ctx.Err(), fmt.Errorf("no write succeeded: %w", sent.firstErr))
	}
	return sent, ctx.Err()
}

// one sends one event. s is the result of one worker, which sends to one post only.
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
		if s.firstErr == nil {
			s.firstErr = err
		}
		return
	}
	l.answered[worker%l.posts].Add(1)
	s.took = append(s.took, l.now()-begin)
	s.acked[0] = append(s.acked[0], n)
}

// merge adds up the results of all workers.
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
		if all.firstErr == nil {
			all.firstErr = s.firstErr
		}
	}
	return all
}

// ackedOf returns the numbers of the acknowledged events of a post.
func (s sent) ackedOf(post int) []int { return s.acked[post] }

// perPost returns how many events of the post a reader may receive: a write that failed
// may have been committed.
func (s sent) perPost(post int) int64 {
	return int64(len(s.acked[post]) + s.failed[post])
}

// failures returns how many events failed.
func (s sent) failures() (n int) {
	for _, f := range s.failed {
		n += f
	}
	return n
}

// failure returns the text of the first error, or "".
func (s sent) failure() string {
	if s.firstErr == nil {
		return ""
	}
	return s.firstErr.Error()
}

// seconds returns the time from the first event's start to the last response.
func (s sent) seconds() float64 { return (s.end - s.begin).Seconds() }

// perSecond returns the rate of the acknowledged events.
func (s sent) perSecond() float64 { return ratioOf(float64(len(s.took)), s.seconds()) }

// forDuration returns a load's more function that is true until d is over, and at least once:
// the connections of writers may take longer than a short d.
func forDuration(d time.Duration) func(context.Context) bool {
	end := time.Now().Add(d)
	var begun atomic.Bool
	return func(context.Context) bool { return !begun.Swap(true) || time.Now().Before(end) }
}

// times returns a load's more function that is true n times, for all workers together.
func times(n int) func(context.Context) bool {
	var taken atomic.Int64
	return func(context.Context) bool { return taken.Add(1) <= int64(n) }
}

// paced returns a load's more function that is true n times, at a steady rate. Each turn
// goes to a free worker, so one slow response does not lower the rate.
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
