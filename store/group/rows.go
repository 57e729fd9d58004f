package group

import (
	"context"
	"sync"
)

// rows makes the writes to one row one after another, for each of many rows. While another
// session holds the row, only one write waits for it in a slot, however many writes there
// are, so the other slots are left to the writes to other rows.
type rows struct {
	mu    sync.Mutex // guards turns and the fields users in it
	turns map[Key]*rowTurn
}

// A rowTurn is the right to write to a row. It exists while a write has it or waits for it.
type rowTurn struct {
	taken chan struct{} // has an element while a write has the turn
	users int
}

func newRows() *rows { return &rows{turns: make(map[Key]*rowTurn)} }

// do calls write while no other call for the row runs, in the order of the calls. If ctx ends
// before, it returns the cause. The zero Key is no row: then do calls write at once.
func (r *rows) do(ctx context.Context, row Key, write func() error) error {
	if row == (Key{}) {
		return write()
	}
	turn := r.join(row)
	defer r.leave(row, turn)
	select {
	case turn.taken <- struct{}{}:
		defer func() { <-turn.taken }()
		return write()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *rows) join(row Key) *rowTurn {
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

func (r *rows) leave(row Key, turn *rowTurn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if turn.users--; turn.users == 0 {
		delete(r.turns, row)
	}
}
