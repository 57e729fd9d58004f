package group

import (
	"context"
	"errors"
	"time"
)

const (
	// SoloLockWait is how long a write waits for the lock of a row in all, with the time in
	// which other writes to the row are before it.
	SoloLockWait = 10 * time.Second
	// firstLockWait is how long the first transaction of a write outside of batches waits
	// for a row. It is longer than most transactions of other programs take.
	firstLockWait = 20 * time.Millisecond
	// turnLockWait is how long each later transaction waits for a row. It bounds how long a
	// write waits for a slot: by the number of locked rows, divided by that of the slots.
	turnLockWait = 500 * time.Millisecond
)

// Slots bound the transactions outside of batches. There is one kind of slot for a first
// transaction, which waits for no row for long, and one kind for transactions that wait for
// locked rows. So a locked row does not delay the writes that do not need it. Of the writes
// that wait for one row, one at a time uses a slot and a connection.
type Slots struct {
	first, waiting chan struct{} // with a token for each transaction
	probes, rows   *rows         // the turns of first transactions, and of those that wait
}

// NewSlots returns n slots of each kind.
func NewSlots(n int) Slots {
	return Slots{make(chan struct{}, n), make(chan struct{}, n), newRows(), newRows()}
}

// Do calls try, which makes one transaction whose waits for rows end after lockWait, until
// try returns an error that is not ErrLocked, or nil, and returns that. Calls for one row run
// one after another. Do returns ErrBusy when SoloLockWait is over, and ctx.Err() when ctx ends
// between transactions.
func (s Slots) Do(ctx context.Context, row Key, try func(lockWait time.Duration) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.rows.do(ctx, row, func() error {
		err := s.attempt(ctx, Key{}, try)
		if errors.Is(err, ErrLocked) {
			return s.waitForLock(ctx, Key{}, try)
		}
		return err
	})
}

// bounded returns a context that ends after SoloLockWait with the cause ErrBusy.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, SoloLockWait, ErrBusy)
}

// attempt makes the first transaction of a write. Attempts with the same probe run one after
// another: one locked row may make all of them wait for firstLockWait.
func (s Slots) attempt(ctx context.Context, probe Key, try func(lockWait time.Duration) error) error {
	return s.probes.do(ctx, probe, func() error {
		return inSlot(ctx, s.first, func() error { return try(firstLockWait) })
	})
}

// waitForLock makes the transactions of a write that has met the lock of a row. ctx has a
// deadline.
func (s Slots) waitForLock(ctx context.Context, row Key, try func(lockWait time.Duration) error) error {
	end, _ := ctx.Deadline()
	return s.rows.do(ctx, row, func() error {
		for {
			err := inSlot(ctx, s.waiting, func() error {
				return try(max(time.Millisecond, min(turnLockWait, time.Until(end)))) // 0 is no limit to Postgres
			})
			if !errors.Is(err, ErrLocked) {
				return err
			}
		}
	})
}

// inSlot calls try in a slot. If ctx ends first, it returns the cause.
func inSlot(ctx context.Context, slots chan struct{}, try func() error) error {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return try()
}
