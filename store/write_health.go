package store

import (
	"errors"
	"sync"
	"time"
)

// writeFailureTime is how long a failed write counts, if no other write is made.
const writeFailureTime = 30 * time.Second

// A writeHealth knows why the last write failed, if the database is the cause.
type writeHealth struct {
	mu     sync.Mutex // guards err and failed
	err    error      // ErrReadOnly or ErrDiskFull
	failed time.Time
}

// note keeps the outcome of a write. Errors that concern only that write change nothing.
func (h *writeHealth) note(err error) {
	err = translate(err)
	var cause error
	switch {
	case errors.Is(err, ErrReadOnly):
		cause = ErrReadOnly
	case errors.Is(err, ErrDiskFull):
		cause = ErrDiskFull
	case err != nil:
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.failed = cause, time.Now()
}

// WriteError returns ErrReadOnly or ErrDiskFull if the last write failed with it within
// 30 s, else nil.
func (s *Store) WriteError() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if time.Since(s.health.failed) > writeFailureTime {
		return nil
	}
	return s.health.err
}
