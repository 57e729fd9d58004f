package group

import (
	"context"
	"errors"
	"time"
)

const (
	// SoloLockWait is how long a write waits for the lock of a row in all.
	SoloLockWait = 10 * time.Second
	// firstLockWait is how long the first transaction of a write outside of batches waits
	// for a row. It is longer than most transactions of other programs take.
	firstLockWait = 20 * time.Millisecond
	// turnLockWait is how long each later transaction waits for a row. It bounds how long a
	// write waits for a slot: by the number of waiting writes, divided by that of the slots.
	turnLockWait = 500 * time.Millisecond
)

// Slots bound the transactions outside of batches. There is one kind of slot for a first
// transaction, which waits for no row for long, and one kind for transactions that wait for
// locked rows. So a locked row does not delay the writes that do not need it.
type Slots struct{ first, waiting chan struct{} } // with a token for each transaction

// NewSlots returns n slots of each kind.
func NewSlots(n int) Slots {
	return Slots{make(chan struct{}, n), make(chan struct{}, n)}
}

// Do calls try, which makes one transaction whose waits for rows end after lockWait, until
// try returns an error that is not ErrLocked, or nil, and returns that. It returns ErrBusy
// when a row stays locked for SoloLockWait, and ctx.Err() when ctx ends between transactions.
func (s Slots) Do(ctx context.Context, try func(lockWait time.Duration) error) error {
	err := inSlot(ctx, s.first, func() error { return try(firstLockWait) })
	if errors.Is(err, ErrLocked) {
		return s.waitForLock(ctx, try)
	}
	return err
}

// waitForLock is like Do, for a write that has met a lock.
func (s Slots) waitForLock(ctx context.Context, try func(lockWait time.Duration) error) error {
	end := time.Now().Add(SoloLockWait)
	waiting, cancel := context.WithDeadlineCause(ctx, end, ErrBusy)
	defer cancel()
	for {
		err := inSlot(waiting, s.waiting, func() error {
			return try(max(time.Millisecond, min(turnLockWait, time.Until(end)))) // 0 is no limit to Postgres
		})
		if !errors.Is(err, ErrLocked) {
			return err
		}
	}
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
