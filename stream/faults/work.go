package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// quiet is the time for which a cause is not logged again.
const quiet = time.Minute

// A Work is background work that can fail. It is safe for concurrent use.
type Work struct {
	logger *slog.Logger
	failed string // message of a failure
	again  string // message of the first success after a failure

	mu     sync.Mutex           // guards the fields below; nothing is logged under it
	err    error                // of the last attempt
	count  int64                // failures
	told   bool                 // a failure since the last success was logged
	logged map[string]time.Time // when each cause was last logged; Postgres has some 260 causes
}

// New returns work whose failures are logged as warnings with the message failed, and the
// first success after them with the message again.
func New(logger *slog.Logger, failed, again string) *Work {
	return &Work{logger: logger, failed: failed, again: again, logged: make(map[string]time.Time)}
}

// Note takes the outcome of an attempt; nil is a success. A failure is logged unless the same
// cause was logged within the last minute. The caller must not note the end of its own
// context.
func (w *Work) Note(ctx context.Context, err error) {
	switch w.note(err) {
	case logFailure:
		w.logger.LogAttrs(ctx, slog.LevelWarn, w.failed, slog.Any("err", err))
	case logSuccess:
		w.logger.LogAttrs(ctx, slog.LevelInfo, w.again)
	}
}

// A message is what Note logs.
type message int

const (
	logNothing message = iota
	logFailure
	logSuccess
)

func (w *Work) note(err error) message {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	if err == nil {
		told := w.told
		w.told = false
		if told {
			return logSuccess
		}
		return logNothing
	}
	w.count++
	why := cause(err)
	if at, known := w.logged[why]; known && time.Since(at) < quiet {
		return logNothing
	}
	w.logged[why], w.told = time.Now(), true
	return logFailure
}

// Err returns the error of the last attempt, or nil if it succeeded or there was none.
func (w *Work) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Failures returns the number of failures.
func (w *Work) Failures() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// cause names the cause of an error: its SQLSTATE, or the type of its innermost error. The
// text of an error is not used, because it may contain an address that changes with each
// attempt.
func cause(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	for {
		inner := unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// unwrap returns the error that err wraps, the last one of several; nil if there is none.
func unwrap(err error) error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return e.Unwrap()
	case interface{ Unwrap() []error }:
		if all := e.Unwrap(); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return nil
}
