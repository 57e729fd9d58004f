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
	err    error      // wraps ErrReadOnly or ErrDiskFull
	failed time.Time
}

// note keeps the outcome of a write. Errors that concern only that write change nothing.
func (h *writeHealth) note(err error) {
	err = translate(err)
	if err != nil && !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrDiskFull) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.failed = err, time.Now()
}

// WriteError returns the error of the last write if that has failed within 30 s, and the
// error wraps ErrReadOnly or ErrDiskFull. Otherwise it returns nil.
func (s *Store) WriteError() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if time.Since(s.health.failed) > writeFailureTime {
		return nil
	}
	return s.health.err
}
