package bench

import (
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestStatePaces_CountEachKind(t *testing.T) {
	t.Parallel()
	var p statePaces
	for _, at := range []time.Duration{time.Second, 3 * time.Second, 4 * time.Second} {
		p.take("presence", int(at/time.Second), at)
	}
	p.take("typing", 9, time.Second)
	p.take("new-comment", 99, time.Second)
	streamtest.Want(t, "presence", p.presence, statePace{last: 4 * time.Second, least: time.Second, count: 3, largest: 4})
	streamtest.Want(t, "typing", p.typing, statePace{last: time.Second, count: 1, largest: 9})
}

func TestPresence_IsFaultyIfReadersGetTooManyEventsOrNone(t *testing.T) {
	t.Parallel()
	moving := func(most int) Moving {
		return Moving{Changes: 100, Seconds: 10, Pace: Pace{Most: most, Deliveries: 100 * most}}
	}
	for name, c := range map[string]struct {
		presence Presence
		faulty   bool
	}{
		"FewInACrowd":      {Presence{Readers: 101, Moving: moving(4), Typing: moving(12)}, false},
		"TooManyInACrowd":  {Presence{Readers: 101, Moving: moving(5), Typing: moving(12)}, true},
		"ManyOfFewReaders": {Presence{Readers: 100, Moving: moving(12), Typing: moving(12)}, false},
		"TooManyTyping":    {Presence{Readers: 100, Moving: moving(1), Typing: moving(13)}, true},
		"NoPresence":       {Presence{Readers: 101, Moving: moving(0), Typing: moving(1)}, true},
		"NoTyping":         {Presence{Readers: 101, Moving: moving(1), Typing: moving(0)}, true},
		"NothingInAMoment": {Presence{Readers: 101, Moving: Moving{Changes: 9, Seconds: 9}, Typing: Moving{Changes: 9, Seconds: 1}}, false},
	} {
		report := &Report{Presence: &c.presence}
		streamtest.Want(t, name, report.Verdict() != nil, c.faulty)
	}
}
