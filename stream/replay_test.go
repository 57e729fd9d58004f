package stream

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// Readers who come back together, too late for the ring, share the reads of the log.
func TestReplaysAreFolded(t *testing.T) {
	t.Parallel()

	bubble := func(name string, test func(t *testing.T, log *memoryLog)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newMemoryLog()) })
		})
	}
	const readers = 500
	together := func(t *testing.T, h *Hub, topics func(i int) []Topic, from func(i int) int64, want func(i int) []Cursor) {
		var all sync.WaitGroup
		for i := range readers {
			all.Go(func() {
				s, err := h.Subscribe(topics(i), At(Cursor{1, from(i)}))
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if got := takeAll(t, s); !slices.Equal(got, want(i)) {
					t.Errorf("reader %d got %v, want %v", i, got, want(i))
				}
			})
		}
		all.Wait()
	}

	bubble("OfOneTopic", func(t *testing.T, log *memoryLog) {
		log.append(slices.Repeat([]Topic{post42, post43}, 300)...)
		h := run(t, log, HubConfig{RingEvents: 1, Replays: 1})
		at := log.want(0, post42)
		from := func(i int) int64 { return at[i%200].Position }
		together(t, h, func(int) []Topic { return []Topic{post42} }, from,
			func(i int) []Cursor { return log.want(from(i), post42) })
		if n := log.replays(); n > 20 {
			t.Errorf("%d reads for %d readers", n, readers)
		}
	})
	bubble("OfOneTopicAndTheirOwn", func(t *testing.T, log *memoryLog) {
		own := func(i int) Topic { return Topic{fmt.Sprintf("user:%d", i)} }
		for i := range readers {
			log.append(post42, own(i))
		}
		h := run(t, log, HubConfig{RingEvents: 1, Replays: 2})
		together(t, h, func(i int) []Topic { return []Topic{post42, own(i)} }, func(int) int64 { return 0 },
			func(i int) []Cursor { return log.want(0, post42, own(i)) })
		if n := log.replays(); n > readers/10 {
			t.Errorf("%d reads for %d readers", n, readers)
		}
	})
	bubble("FarApart", func(t *testing.T, log *memoryLog) {
		log.append(slices.Repeat([]Topic{post42}, 5*replayFrames)...)
		h := run(t, log, HubConfig{RingEvents: 1, Replays: 1})
		at := log.want(0, post42)
		from := func(i int) int64 { return at[len(at)-1-i*(len(at)-1)/readers].Position }
		together(t, h, func(int) []Topic { return []Topic{post42} }, from,
			func(i int) []Cursor { return log.want(from(i), post42) })
		if n := log.replays(); n > readers/10 {
			t.Errorf("%d reads for %d readers", n, readers)
		}
	})
}
