package verify

import (
	"testing"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A new event name needs a rule: without one, the checker would treat a control event
// or a latest-only event as one that must arrive.
func TestRules_AreThoseOfTheEventKinds(t *testing.T) {
	t.Parallel()
	want := make(map[string]eventRule)
	for _, k := range stream.EventKinds {
		switch {
		case k.Control:
			want[k.Name.String()] = controlEvent
		case !k.Durable:
			want[k.Name.String()] = liveOnly
		case k.LatestOnly:
			want[k.Name.String()] = latestOnly
		default:
			want[k.Name.String()] = everyEvent
		}
	}
	streamtest.Want(t, "the rules by event name", rules, want)
}

func TestBodyNumber_IsTheNumberOfTheWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{body(17): 17, "verify": 0, "verify x": 0, "": 0, "hello 3": 0} {
		streamtest.Want(t, "the number in "+text, bodyNumber(text), want)
	}
}
