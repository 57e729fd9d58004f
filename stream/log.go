package stream

import (
	"context"
	"errors"
	"fmt"
)

// A Log is the durable, ordered record of events that a [Hub] follows.
type Log interface {
	// Read returns at most q.Limit events after q.After, fewer where they are large, in
	// order, and the state of the log, both from one snapshot. Events it cannot represent are left out. It
	// does not judge whether q.After is still readable: see [State.Judge].
	Read(ctx context.Context, q Query) (Batch, error)
}

// A Query says which events to read.
type Query struct {
	After  int64
	Topics []Topic // none: all topics
	Limit  int
}

// A Batch is what a [Log] read.
type Batch struct {
	Events []Event
	// Through is the last position that the read covers: everything of the topics
	// up to it is in Events. It is the head when nothing was left to read.
	Through int64
	State   State
}

// State is what a log knows of itself at one moment.
type State struct {
	Head   int64   // the last position, or the floor when no event is left
	Floor  int64   // positions at or before it are gone
	Epochs []Epoch // all of them, oldest first; never empty
}

// An Epoch is one uninterrupted history. Each begins where a promotion or a restore
// broke the one before off.
type Epoch struct {
	Number       int64
	StartedAfter int64 // the last position of the history before it
}

// Cursor is the cursor of a position, in the epoch that wrote it.
func (s State) Cursor(position int64) Cursor {
	for i := len(s.Epochs) - 1; i > 0; i-- {
		if s.Epochs[i].StartedAfter < position {
			return Cursor{s.Epochs[i].Number, position}
		}
	}
	return Cursor{s.Epochs[0].Number, position}
}

// newest is the number of the present epoch, 0 when nothing was read yet.
func (s State) newest() int64 {
	if len(s.Epochs) == 0 {
		return 0
	}
	return s.Epochs[len(s.Epochs)-1].Number
}

// HeadCursor is the cursor of the head.
func (s State) HeadCursor() Cursor { return s.Cursor(s.Head) }

// Judge says whether a reader can resume exactly from the cursor. It returns nil
// when it can, and otherwise the gap: expired when retention removed what follows
// the cursor, restored when the cursor lies in a history that this log isn't.
func (s State) Judge(c Cursor) *GapError {
	switch {
	case c.Position > s.endOf(c.Epoch):
		return &GapError{Reason: GapRestored, From: c, Resumed: s.HeadCursor()}
	case c.Position < s.Floor:
		return &GapError{Reason: GapExpired, From: c, Resumed: s.HeadCursor()}
	}
	return nil
}

// endOf is the last position of an epoch, -1 when it never was.
func (s State) endOf(epoch int64) int64 {
	for i, e := range s.Epochs {
		switch {
		case e.Number != epoch:
		case i == len(s.Epochs)-1:
			return s.Head
		default:
			return s.Epochs[i+1].StartedAfter
		}
	}
	return -1
}

// A GapReason says why a reader could not resume exactly.
type GapReason string

// The reasons of a gap.
const (
	GapExpired  GapReason = "expired"  // older than the log keeps
	GapRestored GapReason = "restored" // the database was restored, or never had it
)

// ErrGone is what every [GapError] is, by errors.Is.
var ErrGone = errors.New("cursor is gone")

// A GapError says that events between two cursors cannot be given: whoever needs
// them re-reads what they described.
type GapError struct {
	Reason  GapReason
	From    Cursor // what the reader had
	Resumed Cursor // where it goes on: the head
}

// Error names the reason and both cursors.
func (e *GapError) Error() string {
	return fmt.Sprintf("cursor %v is gone (%s), resumed at %v", e.From, e.Reason, e.Resumed)
}

// Is makes every gap an [ErrGone].
func (e *GapError) Is(target error) bool { return target == ErrGone }
