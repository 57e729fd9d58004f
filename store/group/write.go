package group

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A Write is one write of one caller. Its methods must return the same values each time
// and are called from any goroutine.
type Write interface {
	// Keys names the rows and tables whose locks the write may have to wait for, in a new
	// slice. Two writes with a key in common may have to wait for the same lock. It may be
	// empty.
	Keys() []Key
	// Source names the origin of the write: its user, or the topic of a published event.
	// When the database refuses a write, its source goes into quarantine.
	Source() string
	// Risky reports whether the database may refuse the write for its content.
	Risky() bool
}

// A Key names a row, or a whole table, that may be locked.
type Key struct {
	Table string
	Row   string // what identifies the row to writes, not always the primary key; "" for the table
}

// A Committer makes transactions.
type Committer interface {
	// Commit makes all writes in one transaction, which waits no longer than lockWait
	// for the lock of a row. It returns nil when the transaction has committed. A fault
	// of one write that fails no other write (a comment on a locked post) is not an
	// error of Commit: Commit stores it in the Write.
	//
	// An error that wraps ErrLocked or ErrRefused says that nothing was written, and that
	// a part of the writes may succeed. A [LockedError] also says what is locked. After any
	// other error the transaction may have committed or not, and the group does not repeat
	// it.
	Commit(ctx context.Context, writes []Write, lockWait time.Duration) error
}

// Errors that a [Committer] wraps, to say why it wrote nothing.
var (
	// ErrLocked: a row stayed locked for longer than lockWait, or there was a deadlock. The
	// error is a *LockedError if the table is known.
	ErrLocked = errors.New("a row is locked")
	// ErrRefused: the database refuses at least one of the writes.
	ErrRefused = errors.New("the database refuses the write")
)

// A LockedError is an ErrLocked that names the table that is locked, or has the locked row.
type LockedError struct {
	Table string
	Whole bool  // the table is locked, not a row
	Err   error // the error of the database
}

// Error returns the error of the database.
func (e *LockedError) Error() string { return e.Err.Error() }

// Unwrap returns ErrLocked and the error of the database.
func (e *LockedError) Unwrap() []error { return []error{ErrLocked, e.Err} }

// lockOf returns the lock that a write has met. If err names no table, or a table in which the
// write has no row, any of the write's rows may be locked.
func lockOf(w Write, err error) lock {
	rows := slices.DeleteFunc(w.Keys(), func(k Key) bool { return k.Row == "" })
	var locked *LockedError
	if !errors.As(err, &locked) {
		return lock{keys: rows}
	}
	if locked.Whole { // other writes may need the table in a weaker mode
		return lock{keys: []Key{{Table: locked.Table}}}
	}
	inTable := slices.DeleteFunc(slices.Clone(rows), func(k Key) bool { return k.Table != locked.Table })
	if len(inTable) == 0 {
		return lock{keys: rows}
	}
	return lock{inTable, true}
}

// Errors that [Group.Submit] and [CommitSolo] return, besides those of the [Committer].
var (
	// ErrBusy: too many writes wait, or a row stayed locked for longer than
	// SoloLockWait. Nothing was written.
	ErrBusy = errors.New("too many writes wait, or a row is locked for too long")
	// ErrClosed: Run has ended. Nothing was written, unless the transaction of the
	// write had begun.
	ErrClosed = errors.New("group commit has stopped")
)

// A pending is a write from Submit until its outcome is known.
type pending struct {
	Write
	caller context.Context // context of the Submit call
	lock   lock            // whose keys the write holds in Group.held
	err    error           // the outcome, set before done is closed
	done   chan struct{}
}

// finish sets the outcome. It is called once.
func (p *pending) finish(err error) {
	p.err = err
	close(p.done)
}

func writesOf(batch []*pending) []Write {
	writes := make([]Write, len(batch))
	for i, p := range batch {
		writes[i] = p.Write
	}
	return writes
}
