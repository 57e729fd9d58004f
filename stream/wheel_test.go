package stream

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A wheel fires like a sorted list of times: no timer early, and none later than one slot
// unless its time was more than one turn away.
func TestWheel(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(1, 2))
	w := newWheel()
	subs := make([]Subscription, 200)
	due := make(map[*Subscription]time.Duration)
	var now time.Duration
	fired := 0
	for range 20_000 {
		s := &subs[random.IntN(len(subs))]
		switch random.IntN(4) {
		case 0:
			at := now + time.Duration(random.Int64N(int64(40*time.Second)))
			set := w.set(s, at)
			if horizon := now + (wheelSlots-2)*wheelSlot; set < min(at, horizon) {
				t.Fatalf("set for %v, which is before %v", set, at)
			}
			due[s] = set
		case 1:
			w.remove(s)
			delete(due, s)
		default:
			next := w.next(now)
			if want := soonest(due, now); next != want {
				t.Fatalf("the next timer fires in %v, want %v", next, want)
			}
			if next < time.Hour && random.IntN(2) == 0 {
				now += next // like a worker
			} else {
				now += time.Duration(random.Int64N(int64(50 * time.Millisecond)))
			}
			w.turn(now, func(s *Subscription) {
				fired++
				at, ok := due[s]
				if !ok || at > now {
					t.Fatalf("fired at %v, and is due at %v (%v)", now, at, ok)
				}
				delete(due, s)
			})
			for _, at := range due {
				if at+wheelSlot <= now {
					t.Fatalf("due at %v, and not fired at %v", at, now)
				}
			}
		}
		if w.size != len(due) {
			t.Fatalf("%d timers are in the wheel, %d are set", w.size, len(due))
		}
	}
	if fired < 1000 {
		t.Errorf("only %d have fired", fired)
	}
	now += time.Hour // the wheel was not turned for long
	w.turn(now, func(s *Subscription) { delete(due, s) })
	if w.size != 0 || len(due) != 0 {
		t.Errorf("%d timers are in the wheel after an hour", w.size)
	}
}

// soonest is the time until the first timer fires, as wheel.next returns it.
func soonest(due map[*Subscription]time.Duration, now time.Duration) time.Duration {
	wait := time.Hour
	for _, at := range due {
		wait = min(wait, max(0, at-now))
	}
	return wait
}
