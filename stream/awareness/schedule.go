package awareness

import (
	"container/heap"
	"time"
)

// A schedule has the rooms that have something to do later, the next one first.
type schedule []*room

// Len implements [heap.Interface].
func (s schedule) Len() int { return len(s) }

// Less implements [heap.Interface].
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }

// Swap implements [heap.Interface].
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push implements [heap.Interface].
func (s *schedule) Push(x any) {
	r := x.(*room)
	r.place = len(*s)
	*s = append(*s, r)
}

// Pop implements [heap.Interface].
func (s *schedule) Pop() any {
	last := len(*s) - 1
	r := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	r.place = -1
	return r
}

// set moves a room to the time due, or removes it if due is zero.
func (s *schedule) set(r *room, due time.Time) {
	switch scheduled := r.place >= 0; {
	case scheduled && due.Equal(r.due):
	case scheduled && due.IsZero():
		heap.Remove(s, r.place)
	case scheduled:
		r.due = due
		heap.Fix(s, r.place)
	case !due.IsZero():
		r.due = due
		heap.Push(s, r)
	}
}

// next removes and returns the first room that is due; nil if there is none.
func (s *schedule) next(now time.Time) *room {
	if len(*s) == 0 || (*s)[0].due.After(now) {
		return nil
	}
	return heap.Pop(s).(*room)
}

// wait returns the time until the first room is due; an hour if there is none.
func (s schedule) wait(now time.Time) time.Duration {
	if len(s) == 0 {
		return time.Hour
	}
	return max(0, s[0].due.Sub(now))
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier returns the earlier of two times, of which a zero one means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
