package verify

import (
	"sync"

	"github.com/tidings-live/tidings/stream"
)

// A stepKind says what happened to a reader.
type stepKind uint8

const (
	began   stepKind = iota // it was told where it starts
	arrived                 // an event
	moved                   // its cursor, without an event
	skipped                 // a gap was announced: from .. cursor
)

// A step is one thing that happened to a reader, in the order it happened.
type step struct {
	kind   stepKind
	cursor stream.Cursor // after it
	from   stream.Cursor // of skipped
	reason string        // of skipped
	fact   fact          // of arrived
	at     int64         // by the clock of the ledger
	awake  int64         // since when the reader had been reading on
}

// A trail is all that happened to a reader and was not judged yet. One goroutine
// adds, another takes.
type trail struct {
	mu    sync.Mutex // guards steps
	steps []step
}

func (t *trail) add(s step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s)
}

// take returns the steps so far and forgets them.
func (t *trail) take() []step {
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := t.steps
	t.steps = nil
	return steps
}
