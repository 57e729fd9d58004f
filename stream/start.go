package stream

import "math"

// A Start is where a subscription begins: [Now], [Earliest] or [At] a cursor. The zero
// Start is Now.
type Start struct {
	cursor Cursor
	where  where
}

type where int

const (
	now where = iota
	earliest
	at
)

var (
	// Now begins at the head: a reader gets only events that are still to come.
	Now = Start{}
	// Earliest begins at the oldest event that the log still has.
	Earliest = Start{where: earliest}
)

// At begins after the cursor.
func At(c Cursor) Start { return Start{cursor: c, where: at} }

// ParseStart reads "now", "earliest" or a cursor; the empty string is now. Its error
// wraps [ErrCursor].
func ParseStart(s string) (Start, error) {
	switch s {
	case "", "now":
		return Now, nil
	case "earliest":
		return Earliest, nil
	}
	c, err := ParseCursor(s)
	if err != nil {
		return Start{}, err
	}
	return At(c), nil
}

// IsNow reports whether the start is [Now].
func (s Start) IsNow() bool { return s.where == now }

// Behind is about how many events lie between the start and the head: none for [Now],
// more than there can be for [Earliest] and for cursors of another epoch. It is 0 for the
// zero head of a hub that has not read the log yet.
func (s Start) Behind(head Cursor) int64 {
	switch {
	case s.where == now, head == Cursor{}:
		return 0
	case s.where == earliest, s.cursor.Epoch != head.Epoch:
		return math.MaxInt64
	}
	return head.Position - s.cursor.Position
}
