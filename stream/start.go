package stream

import "math"

// A Start is the position at which a subscription begins: [Now], [Earliest] or [At] a
// cursor. The zero Start is Now.
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
	// Now begins at the head: a reader gets only later events.
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

// Cursor returns the cursor of a start that [At] made; ok is false for others.
func (s Start) Cursor() (c Cursor, ok bool) { return s.cursor, s.where == at }

// Behind estimates the number of events between the start and the head. It is 0 for [Now],
// and the largest int64 for [Earliest] and for a cursor of another epoch. It is 0 if head is
// zero, which is the head of a hub that has not read the log yet.
func (s Start) Behind(head Cursor) int64 {
	switch {
	case s.where == now, head == Cursor{}:
		return 0
	case s.where == earliest, s.cursor.Epoch != head.Epoch:
		return math.MaxInt64
	}
	return head.Position - s.cursor.Position
}
