package stream

import "time"

const (
	wheelSlot  = 16 * time.Millisecond
	wheelSlots = 1024 // 16 s around: what is due later comes by again until it is
)

// A wheel is the timers of a shard: one slot after another comes due, and with it
// whoever hangs in it. Setting and removing one costs no allocation and no search.
// Its shard's lock guards it.
type wheel struct {
	slots []*Subscription // the first of each, a list through timer.next
	at    int64           // the slots before it were turned past
	size  int
}

// A timer is a subscription's place in the wheel.
type timer struct {
	next, prev *Subscription
	slot       int64 // 0: in none; slots are counted from the hub's beginning
}

func newWheel() wheel { return wheel{slots: make([]*Subscription, wheelSlots)} }

// set makes the subscription due at a time, or at the wheel's horizon when that is
// nearer, and at no other. It returns when that will be.
func (w *wheel) set(s *Subscription, at time.Duration) time.Duration {
	slot := max(w.at+1, min(int64((at+wheelSlot-1)/wheelSlot), w.at+wheelSlots-1))
	due := time.Duration(slot) * wheelSlot
	if s.entry.timer.slot == slot {
		return due
	}
	w.remove(s)
	first := &w.slots[slot%wheelSlots]
	s.entry.timer = timer{next: *first, slot: slot}
	if *first != nil {
		(*first).entry.timer.prev = s
	}
	*first = s
	w.size++
	return due
}

// remove makes it due at no time.
func (w *wheel) remove(s *Subscription) {
	t := s.entry.timer
	if t.slot == 0 {
		return
	}
	if t.prev == nil {
		w.slots[t.slot%wheelSlots] = t.next
	} else {
		t.prev.entry.timer.next = t.next
	}
	if t.next != nil {
		t.next.entry.timer.prev = t.prev
	}
	s.entry.timer = timer{}
	w.size--
}

// turn calls fire for each that has come due, which is in the wheel no more.
func (w *wheel) turn(now time.Duration, fire func(*Subscription)) {
	until := int64(now / wheelSlot)
	if w.size == 0 || until-w.at > wheelSlots {
		w.at = max(w.at, until-wheelSlots)
	}
	for ; w.at < until; w.at++ {
		for first := &w.slots[(w.at+1)%wheelSlots]; *first != nil; {
			s := *first
			w.remove(s)
			fire(s)
		}
	}
}

// next is how long until something may be due.
func (w *wheel) next(now time.Duration) time.Duration {
	if w.size == 0 {
		return time.Hour
	}
	for slot := w.at + 1; slot <= w.at+wheelSlots; slot++ {
		if w.slots[slot%wheelSlots] != nil {
			return max(0, time.Duration(slot)*wheelSlot-now)
		}
	}
	return wheelSlot
}
