package stream

import "math"

// Behind is about how many events lie between the start and the head: none for
// [Now], more than there can be for [Earliest] and for cursors of another history.
func (s Start) Behind(head Cursor) int64 {
	switch {
	case s.where == now:
		return 0
	case s.where == earliest, s.cursor.Epoch != head.Epoch:
		return math.MaxInt64
	}
	return head.Position - s.cursor.Position
}
