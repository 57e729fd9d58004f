package group

import (
	"context"
	"errors"
	"time"
)

// A Write is one write of one caller. Its methods must return the same values each time
// and are called from any goroutine.
type Write interface {
	// Keys names the rows whose locks the write may have to wait for. Two writes with a
	// key in common may have to wait for the same lock. It may be empty.
	Keys() []string
	// Source names the origin of the write: its user, or the topic of a published event.
	// When the database refuses a write, its source goes into quarantine.
	Source() string
	// Risky reports whether the database may refuse the write for its content.
	Risky() bool
}

// A Committer makes transactions.
type Committer interface {
	// Commit makes all writes in one transaction, which waits no longer than lockWait
	// for the lock of a row. It returns nil when the transaction has committed. A fault
	// of one write that fails no other write (a comment on a locked post) is not an
	// error of Commit: Commit stores it in the Write.
	//
	// An error that wraps ErrLocked, ErrConflict or ErrRefused says that nothing was
	// written, and that a part of the writes may succeed. After any other error the
	// transaction may have committed or not, and the group does not repeat it.
	Commit(ctx context.Context, writes []Write, lockWait time.Duration) error
}

// Errors that a [Committer] wraps, to say why it wrote nothing.
var (
	// ErrLocked: a row stayed locked for longer than lockWait, or there was a deadlock.
	ErrLocked = errors.New("a row is locked")
	// ErrConflict: another transaction has just written the same row. The next attempt
	// sees that row and can succeed.
	ErrConflict = errors.New("another transaction has written the same")
	// ErrRefused: the database refuses at least one of the writes.
	ErrRefused = errors.New("the database refuses the write")
)

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
	held   []string        // keys of the write that are counted in Group.held
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
