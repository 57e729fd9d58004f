package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidings-live/tidings/stream/faults"
)

const (
	// queueEvery is the time between two questions to Postgres, queueTimeout the longest
	// wait for its answer.
	queueEvery   = 5 * time.Second
	queueTimeout = 500 * time.Millisecond
)

// A notifyQueue remembers how full Postgres's NOTIFY queue is, for /metrics and /readyz.
type notifyQueue struct {
	read   func(ctx context.Context) (float64, error)
	faults *faults.Work

	mu      sync.Mutex // guards the fields below; not held during a question to Postgres
	asked   time.Time  // when the last question began
	answers bool       // a question was answered, or has failed
	full    float64
	err     error
}

// newNotifyQueue returns a queue that read asks.
func newNotifyQueue(read func(ctx context.Context) (float64, error), logger *slog.Logger) *notifyQueue {
	return &notifyQueue{read: read, faults: faults.New(logger, "size of the NOTIFY queue cannot be read", "size of the NOTIFY queue is read again")}
}

// errNotAsked is the answer while the first question to Postgres is running.
var errNotAsked = errors.New("the first answer is still missing")

// usage returns a figure from 0 to 1 that is a few seconds old, or the error of the last
// question. If it is time for a question, the caller asks, for at most queueTimeout; other
// callers get the last answer meanwhile.
func (q *notifyQueue) usage() (float64, error) {
	if q.due() {
		ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
		defer cancel()
		full, err := q.read(ctx)
		q.faults.Note(ctx, err)
		q.mu.Lock()
		q.full, q.err, q.answers = full, err, true
		q.mu.Unlock()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.answers {
		return 0, errNotAsked
	}
	return q.full, q.err
}

// due reports whether the caller has to ask. No other caller asks for queueEvery then.
func (q *notifyQueue) due() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.asked) < queueEvery {
		return false
	}
	q.asked = time.Now()
	return true
}
