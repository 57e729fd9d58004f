package stream

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A madeLog is a Log that makes its events when they are read, so that it takes no memory.
type madeLog struct {
	head int64
	make func(position int64) (topic string, name Name, comment int64, data string)
}

func (l *madeLog) Read(_ context.Context, q Query) (Batch, error) {
	batch := Batch{State: State{Head: l.head, Epochs: []Epoch{{Number: 1795464000123456}}}}
	batch.Through = min(l.head, q.After+int64(q.Limit))
	for position := q.After + 1; position <= batch.Through; position++ {
		topic, name, comment, text := l.make(position)
		data, err := NewData([]byte(text))
		if err != nil {
			return Batch{}, err
		}
		at, err := ParseTopic(topic)
		if err != nil {
			return Batch{}, err
		}
		name = Name{strings.Clone(name.text)} // as a read of a database makes it
		batch.Events = append(batch.Events, Event{Cursor: batch.State.Cursor(position), Topic: at, Name: name, Comment: comment, Data: data})
	}
	return batch, nil
}

// heap is the memory of what the program refers to.
func heap() int {
	runtime.GC()
	runtime.GC() // frees what the finalizers of the first one have released
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// The memory of a hub without readers is about RingBytes, whatever the events are. The test
// is not parallel: it measures the memory of the process.
func TestRingBytesBoundsTheMemoryInUse(t *testing.T) {
	const ringBytes = 2 << 20
	comment := func(id int64, size int) string {
		return fmt.Sprintf(`{"id":"%d","postId":"42","author":{"id":"ann"},"body":"%s"}`, id, strings.Repeat("x", size))
	}
	published := func(size int) func(int64) (string, Name, int64, string) {
		return func(int64) (string, Name, int64, string) {
			return "post:42", Name{"order.updated"}, 0, `"` + strings.Repeat("x", size) + `"`
		}
	}
	edited := func(body int, id func(position int64) int64) func(int64) (string, Name, int64, string) {
		return func(position int64) (string, Name, int64, string) {
			return "post:42", CommentUpdatedName, id(position), comment(id(position), body)
		}
	}
	each := func(position int64) int64 { return position }
	for name, c := range map[string]struct {
		events int64
		make   func(position int64) (string, Name, int64, string)
	}{
		"Small":  {12_500, published(8)},
		"Medium": {5_000, published(1 << 10)},
		"Large":  {100, published(60 << 10)},
		"Counts": {12_500, func(position int64) (string, Name, int64, string) {
			return fmt.Sprintf("post:%d", position), CommentCountName, 0, fmt.Sprintf(`{"count":1,"postId":"%d"}`, position)
		}},
		"Comments": {7_500, func(position int64) (string, Name, int64, string) {
			return "post:42", NewCommentName, position, comment(position, 100)
		}},
		"Edits":        {500, edited(16<<10, each)},
		"EditsOfOne":   {250, edited(16<<10, func(int64) int64 { return 1 })},
		"EditsOfOneOf": {1_250, edited(2<<10, func(position int64) int64 { return position % 10 })},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			h := NewHub(&madeLog{c.events, c.make}, HubConfig{RingEvents: 1 << 20, RingBytes: ringBytes})
			streamtest.Must(t, h.catchUp(t.Context()))
			grown := heap() - before
			if len(h.ring.frames) == int(c.events) {
				t.Fatal("the ring is not full")
			}
			t.Logf("%d frames, %d bytes of heap, %.2f of the setting", len(h.ring.frames), grown, float64(grown)/ringBytes)
			if grown < ringBytes*2/3 || grown > ringBytes*3/2 {
				t.Errorf("%d frames take %d bytes, want about %d", len(h.ring.frames), grown, ringBytes)
			}
		})
	}
}

// Frames that get larger with a later event count with the new size.
func TestRingCountsChangedFramesAgain(t *testing.T) {
	const ringBytes = 1 << 20
	body := 1
	log := &madeLog{1_000, func(int64) (string, Name, int64, string) {
		return "post:42", CommentUpdatedName, 1, `{"id":"1","body":"` + strings.Repeat("x", body) + `"}`
	}}
	h := NewHub(log, HubConfig{RingBytes: ringBytes})
	streamtest.Must(t, h.catchUp(t.Context()))
	streamtest.Want(t, "frames in the ring", len(h.ring.frames), 1_000)
	body, log.head = 16<<10, 1_001
	streamtest.Must(t, h.catchUp(t.Context()))
	sum := 0
	for _, f := range h.ring.frames {
		sum += f.memory()
	}
	streamtest.Want(t, "counted", h.ring.bytes, sum)
	if sum > ringBytes || len(h.ring.frames) == 0 {
		t.Errorf("%d frames take %d bytes", len(h.ring.frames), sum)
	}
}
