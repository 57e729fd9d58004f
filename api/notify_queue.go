package api

import (
	"context"
	"sync"
	"time"
)

const (
	// queueEvery is the time between two questions to Postgres, queueTimeout the longest
	// wait for its answer.
	queueEvery   = 5 * time.Second
	queueTimeout = 500 * time.Millisecond
)

// A notifyQueue remembers how full Postgres's NOTIFY queue is, for /metrics and /readyz.
type notifyQueue struct {
	read func(ctx context.Context) (float64, error)

	// reading is held during a question to Postgres, so that one at a time is asked. It
	// guards the fields below.
	reading sync.Mutex
	asked   time.Time
	full    float64
	err     error
}

// usage returns a figure from 0 to 1 that is at most queueEvery old, or the error of the
// last question. It takes at most queueTimeout longer than the question before it.
func (q *notifyQueue) usage() (float64, error) {
	q.reading.Lock()
	defer q.reading.Unlock()
	if time.Since(q.asked) < queueEvery {
		return q.full, q.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	q.full, q.err = q.read(ctx)
	q.asked = time.Now()
	return q.full, q.err
}
