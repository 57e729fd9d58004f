package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A dawdlingLog takes 1 ms for each replay: in a synctest bubble, until all others wait.
type dawdlingLog struct{ *memoryLog }

func (l dawdlingLog) Read(ctx context.Context, q Query) (Batch, error) {
	if q.Topics != nil {
		<-time.After(time.Millisecond)
	}
	return l.memoryLog.Read(ctx, q)
}

// Readers that return together, too late for the ring, share reads of the log.
func TestReplaysAreFolded(t *testing.T) {
	t.Parallel()

	bubble := func(name string, test func(t *testing.T, log dawdlingLog)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, dawdlingLog{newMemoryLog()}) })
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

	bubble("OfOneTopic", func(t *testing.T, log dawdlingLog) {
		log.append(slices.Repeat([]Topic{post42, post43}, 300)...)
		h := run(t, log, HubConfig{RingEvents: 1, Replays: 1})
		at := log.want(0, post42)
		from := func(i int) int64 { return at[i%200].Position }
		together(t, h, func(int) []Topic { return []Topic{post42} }, from,
			func(i int) []Cursor { return log.want(from(i), post42) })
		if n := log.replays(); n > readers/10 {
			t.Errorf("%d reads for %d readers", n, readers)
		}
	})
	bubble("OfOneTopicAndTheirOwn", func(t *testing.T, log dawdlingLog) {
		own := func(i int) Topic { return Topic{fmt.Sprintf("user:%d", i)} }
		for i := range readers {
			log.append(post42, own(i))
		}
		h := run(t, log, HubConfig{RingEvents: 1, Replays: 2})
		at := log.want(0, post42)
		from := func(i int) int64 { return at[i/2].Position }
		together(t, h, func(i int) []Topic { return []Topic{post42, own(i)} }, from,
			func(i int) []Cursor { return log.want(from(i), post42, own(i)) })
		if n := log.replays(); n > readers/10 {
			t.Errorf("%d reads for %d readers", n, readers)
		}
	})
	bubble("FarApart", func(t *testing.T, log dawdlingLog) {
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

// The replay that has waited longest is in the next read, and the read reaches it.
func TestFoldIsFair(t *testing.T) {
	t.Parallel()

	r := newReplays(NewHub(newMemoryLog(), HubConfig{}))
	wait := func(position int64, topics ...Topic) *replay {
		p := &replay{sub: &Subscription{}, topics: topics, from: Cursor{1, position}, most: replayFrames}
		r.add(p)
		return p
	}
	first := wait(5000, post42)
	near := wait(5000-replayFrames+1, post42)
	old := wait(5000-replayFrames, post42)
	later := wait(9000, post43)
	group, after := r.fold()
	if after != near.from.Position || !slices.Equal(group, []*replay{first, near, later}) {
		t.Errorf("the first read begins after %d, for %d readers", after, len(group))
	}
	group, after = r.fold()
	if after != old.from.Position || !slices.Equal(group, []*replay{old}) {
		t.Errorf("the second read begins after %d, for %d readers", after, len(group))
	}
	many := make([]Topic, foldTopics)
	for i := range many {
		many[i] = Topic{fmt.Sprintf("user:%d", i)}
	}
	whole, one := wait(1, many...), wait(1, post42)
	if group, _ = r.fold(); !slices.Equal(group, []*replay{whole}) {
		t.Errorf("a read of %d topics is for %d readers", foldTopics, len(group))
	}
	if group, _ = r.fold(); !slices.Equal(group, []*replay{one}) {
		t.Errorf("the read after it is for %d readers", len(group))
	}
}
