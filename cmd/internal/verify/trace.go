package verify

import (
	"sync"

	"github.com/tidings-live/tidings/stream"
)

// A stepKind says what happened to a reader.
type stepKind uint8

const (
	started      stepKind = iota // got its first cursor
	received                     // got an event
	advanced                     // got a cursor without an event
	gapAnnounced                 // got an announced gap between two cursors
)

// A step is one thing that happened to a reader.
type step struct {
	kind   stepKind
	cursor stream.Cursor // the reader's cursor after the step
	from   stream.Cursor // of gapAnnounced: the last cursor before the gap
	reason string        // of gapAnnounced
	event  summary       // of received
	at     int64         // when it happened, by the clock of the write log
	since  int64         // since when the reader had been reading without a pause
}

// A trace has the steps of one reader that were not checked yet, in order. The reader
// adds and the checker takes; these may be two goroutines.
type trace struct {
	mu    sync.Mutex // guards steps
	steps []step
}

func (t *trace) add(s step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s)
}

// take removes all steps and returns them.
func (t *trace) take() []step {
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := t.steps
	t.steps = nil
	return steps
}
