package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
)

// A reader reads its topics from cursor to cursor, in hops: each hop reads for a while
// from one server over one transport. It records what it gets in its trace and checks
// nothing. Its hops are in reader_hop.go, what it records in reader_record.go.
type reader struct {
	name      string
	servers   []*client.Client // as the reader's user
	topics    []string
	requested []string // the same topics as the requests name them
	trace     *trace
	now       func() int64 // the clock of the write log
	random    *rand.Rand
	progress  *progress
	started   func()       // called once, when the reader has its first cursor
	gaps      atomic.Int64 // number of gaps announced to it
	list      page.List    // the list of its page; without a post, it has none
	notified  bool         // it has a list of the notifications of its user
	findings  *findings

	silence time.Duration // see Config.Silence; 0: no limit

	// The fields below belong to the goroutine of run. While the reader is paused, the
	// goroutine that paused it may read cursor. When run has returned, any may read them.
	cursor string
	model  *page.Page      // of list, as the events up to cursor make it; nil: to be loaded
	inbox  *page.Inbox     // as the events up to cursor make it; nil: to be loaded
	heard  int64           // when it last got an event or a cursor
	failed error           // of the last hop that failed
	since  int64           // since when it has been reading without a pause
	ended  map[string]bool // topics whose verify.end it has got

	mu      sync.Mutex         // guards the fields below
	resumed chan struct{}      // closed when the pause ends; nil: there is no pause
	paused  chan struct{}      // closed when the reader has stopped for the pause
	leave   context.CancelFunc // ends the current hop
}

// run reads until it has got verify.end of each topic, or until ctx ends.
func (r *reader) run(ctx context.Context) {
	r.ended = make(map[string]bool)
	for ctx.Err() == nil && !r.finished() {
		hop, stop := r.beginHop(ctx)
		if hop == nil {
			return
		}
		err := r.hop(hop)
		stop()
		if err != nil {
			r.failed = err
			r.progress.problem(err)
			pause(ctx, r.backoff(err))
		}
	}
}

// finished reports whether the reader has got verify.end of each topic. It may be called
// from the goroutine of run, and from any when run has returned.
func (r *reader) finished() bool { return len(r.ended) == len(r.topics) }

// backoff is how long to wait after an error: 20 to 200 ms, or what the server asked
// for, up to a second.
func (r *reader) backoff(err error) time.Duration {
	wait := 20*time.Millisecond + time.Duration(r.random.Int64N(int64(180*time.Millisecond)))
	var p *client.Problem
	if errors.As(err, &p) {
		wait = max(wait, min(p.RetryAfter, time.Second))
	}
	return wait
}

// beginHop waits until the reader is not paused and returns the context of one hop. It
// returns nil if ctx ended.
func (r *reader) beginHop(ctx context.Context) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	resumed := r.resumed
	if resumed != nil {
		close(r.paused)
	}
	r.mu.Unlock()
	if resumed != nil {
		select {
		case <-resumed:
		case <-ctx.Done():
			return nil, nil
		}
		r.since = r.now()
	}
	hop, cancel := context.WithTimeout(ctx, r.hopTime())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave = cancel
	if r.resumed != nil && r.resumed != resumed { // a new pause has begun since
		cancel()
	}
	return hop, cancel
}

// hopTime is the most time of one hop: usually less than a second and in one of five
// hops up to 8 s, so that a reader also meets checkpoints and the ends of streams.
func (r *reader) hopTime() time.Duration {
	most := 800 * time.Millisecond
	if r.random.IntN(5) == 0 {
		most = 8 * time.Second
	}
	return 30*time.Millisecond + time.Duration(r.random.Int64N(int64(most)))
}

// pause makes the reader stop reading, and returns when it has stopped or ctx ends. The
// reader stays paused until resume is called. Only one goroutine at a time may pause a
// reader.
func (r *reader) pause(ctx context.Context) (resume func()) {
	r.mu.Lock()
	resumed, paused := make(chan struct{}), make(chan struct{})
	r.resumed, r.paused = resumed, paused
	if r.leave != nil {
		r.leave()
	}
	r.mu.Unlock()
	select {
	case <-paused:
	case <-ctx.Done():
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.resumed, r.paused = nil, nil
		close(resumed)
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
