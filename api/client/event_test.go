package client

import (
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestEventReader_AllocatesDataAndIDOnly(t *testing.T) {
	const runs = 100
	text := strings.Repeat("event: new-comment\ntopic: post:42\ndata: {\"body\":\"x\"}\nid: 1-10000\n\n:\n", 2*runs)
	r := newEventReader(strings.NewReader(text), DefaultMaxBlock)
	allocs := testing.AllocsPerRun(runs, func() {
		ev, err := r.next()
		if err != nil || ev.Name != "new-comment" || ev.Topic != "post:42" {
			t.Fatalf("got %+v, %v", ev, err)
		}
	})
	if allocs > 2 {
		t.Errorf("%v allocations an event", allocs)
	}
}

func TestEventReader_CopiesEvents(t *testing.T) {
	t.Parallel()
	r := newEventReader(strings.NewReader("data: first\nid: 1\n\ndata: other\nid: 2\n\n"), DefaultMaxBlock)
	first, err := r.next()
	streamtest.Must(t, err)
	_, err = r.next()
	streamtest.Must(t, err)
	if string(first.Data) != "first" || first.ID != "1" || first.Name != "message" {
		t.Errorf("the first event became %+v", first)
	}
}

func named(id, name, topic, data string) Event {
	return Event{ID: id, Name: name, Topic: topic, Data: []byte(data)}
}
