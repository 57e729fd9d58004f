package stream

import "time"

const (
	wheelSlot  = 16 * time.Millisecond
	wheelSlots = 1024 // 16 s; a later time is set again when its slot fires
)

// A wheel has the timers of a shard: a ring of slots, each with a list of subscriptions.
// The slots fire one after another, every 16 ms. Setting or removing a timer needs no
// allocation and no search. The lock of the shard guards a wheel.
type wheel struct {
	slots []*Subscription // the first subscription of each slot; timer.next links the rest
	at    int64           // the last slot that has fired
	first int64           // no slot before it has a subscription
	size  int             // subscriptions in the wheel
}

// A timer is the place of a subscription in the wheel.
type timer struct {
	next, prev *Subscription
	slot       int64 // counted since the hub began; 0: not in the wheel
}

func newWheel() wheel { return wheel{slots: make([]*Subscription, wheelSlots)} }

// set sets the timer of a subscription to a time, rounded up to a slot, or to one turn of
// the wheel from now if that is earlier. It replaces an earlier setting. It returns the time
// at which the timer will fire.
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
	w.first = min(w.first, slot)
	w.size++
	return due
}

// remove removes a subscription from the wheel, if it is there.
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

// turn removes the subscriptions of all slots up to now, and calls fire for each.
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

// next returns the time until the next slot with a subscription fires; an hour if there is
// none. Slots that an earlier call has found empty are not looked at again.
func (w *wheel) next(now time.Duration) time.Duration {
	if w.size == 0 {
		return time.Hour
	}
	w.first = max(w.first, w.at+1)
	for w.slots[w.first%wheelSlots] == nil {
		w.first++
	}
	return max(0, time.Duration(w.first)*wheelSlot-now)
}
