package stream

import (
	"context"
	"errors"
	"fmt"
)

// A Log is the durable, ordered record of events that a [Hub] follows.
type Log interface {
	// Read returns at most q.Limit events after q.After in order, fewer if they are large,
	// and the state of the log, both from one snapshot. It leaves out events that it
	// cannot represent. It does not judge whether q.After is still readable; see
	// [State.Judge].
	Read(ctx context.Context, q Query) (Batch, error)
}

// A Query says which events to read.
type Query struct {
	After  int64   // position
	Topics []Topic // empty: all topics
	Limit  int     // of events
}

// A Batch is the result of a read of a [Log].
type Batch struct {
	Events []Event
	// Through is the last position that the read covers: everything of the topics
	// up to it is in Events. It is the head when nothing was left to read.
	Through int64
	State   State
}

// State is the state of a log at one moment.
type State struct {
	Head   int64   // position of the last event, or the floor if no event is left
	Floor  int64   // retention has removed the events at or before this position
	Epochs []Epoch // all epochs, oldest first; never empty
}

// An Epoch is one uninterrupted history. A promotion or a restore of the database ends one
// epoch and begins the next.
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

// newest is the number of the last epoch; 0 for the zero State.
func (s State) newest() int64 {
	if len(s.Epochs) == 0 {
		return 0
	}
	return s.Epochs[len(s.Epochs)-1].Number
}

// HeadCursor is the cursor of the head.
func (s State) HeadCursor() Cursor { return s.Cursor(s.Head) }

// Judge reports whether a reader can resume exactly from a cursor: nil if it can, or else
// the gap. The gap is expired if retention has removed events after the cursor, and
// restored if the cursor is of a history that this log does not have.
func (s State) Judge(c Cursor) *GapError {
	switch {
	case c.Position > s.endOf(c.Epoch):
		return &GapError{Reason: GapRestored, From: c, Resumed: s.HeadCursor()}
	case c.Position < s.Floor:
		return &GapError{Reason: GapExpired, From: c, Resumed: s.HeadCursor()}
	}
	return nil
}

// endOf is the last position of an epoch; -1 if there is no such epoch.
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

// A GapReason says why a reader cannot resume exactly.
type GapReason string

// The reasons of a gap.
const (
	GapExpired  GapReason = "expired"  // the cursor is older than the log
	GapRestored GapReason = "restored" // the database was restored, or never had the cursor
)

// GapReasons are the reasons of stream.gap, in the order of the documentation.
var GapReasons = []GapReason{GapExpired, GapRestored}

// ErrGone is the target that each [GapError] matches with errors.Is.
var ErrGone = errors.New("cursor is gone")

// A GapError says that the events between two cursors cannot be delivered. A client
// reloads the data that they describe.
type GapError struct {
	Reason  GapReason
	From    Cursor // of the reader
	Resumed Cursor // where the reader goes on: the head
}

// Error names the reason and both cursors.
func (e *GapError) Error() string {
	return fmt.Sprintf("cursor %v is gone (%s), resumed at %v", e.From, e.Reason, e.Resumed)
}

// Is reports whether target is [ErrGone].
func (e *GapError) Is(target error) bool { return target == ErrGone }
