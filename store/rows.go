package store

import (
	"context"
	"sync"
	"time"

	"github.com/tidings-live/tidings/store/group"
)

// rows makes the writes to one row one after another, for each of many rows. While another
// session holds the row, only one write waits for it in a slot, however many requests there
// are, so the slots are left to the writes to other rows.
type rows struct {
	mu    sync.Mutex // guards turns and the fields users in it
	turns map[group.Key]*rowTurn
}

// A rowTurn is the right to write to a row. It exists while a write has it or waits for it.
type rowTurn struct {
	taken chan struct{} // has an element while a write has the turn
	users int
}

// do calls write while no other call for the row runs. It returns ErrBusy if that is not
// possible within group.SoloLockWait, and ctx.Err() if ctx ends before.
func (r *rows) do(ctx context.Context, row group.Key, write func() error) error {
	turn := r.join(row)
	defer r.leave(row, turn)
	select {
	case turn.taken <- struct{}{}:
		defer func() { <-turn.taken }()
		return write()
	case <-time.After(group.SoloLockWait):
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rows) join(row group.Key) *rowTurn {
	r.mu.Lock()
	defer r.mu.Unlock()
	turn := r.turns[row]
	if turn == nil {
		turn = &rowTurn{taken: make(chan struct{}, 1)}
		r.turns[row] = turn
	}
	turn.users++
	return turn
}

func (r *rows) leave(row group.Key, turn *rowTurn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if turn.users--; turn.users == 0 {
		delete(r.turns, row)
	}
}
