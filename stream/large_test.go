package stream

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// A meter counts the bytes that replays read from a log.
type meter struct {
	padded
	mu    sync.Mutex // guards bytes
	bytes int
}

func (m *meter) Read(ctx context.Context, q Query) (Batch, error) {
	batch, err := m.padded.Read(ctx, q)
	if q.Topics != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, e := range batch.Events {
			m.bytes += len(e.Data.json)
		}
	}
	return batch, err
}

// A backlog of large events needs as many reads as its size, and reads little in excess.
// One of small events needs one read for 1,000 events.
func TestReplay_ReadsNoMoreThanItsSize(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"Small": 100, "Medium": 3_000, "Large": 60_000, "LargerThanAChunk": 300_000} {
		for readers := 1; readers <= 2; readers++ {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n := min(400, 24_000_000/size)
				synctest.Test(t, func(t *testing.T) {
					log := &meter{padded: padded{newMemoryLog(), large(size)}}
					log.append(slices.Repeat([]Topic{post42}, n)...)
					h := run(t, log, HubConfig{RingEvents: 1, Replays: 1})
					var all sync.WaitGroup
					for i := range readers { // the second one begins 50 events later
						from := int64(0)
						if i > 0 {
							from = log.want(0, post42)[50].Position
						}
						all.Go(func() {
							s := subscribe(t, h, At(Cursor{1, from}), post42)
							wantAll(t, takeAll(t, s), log.want(from, post42))
						})
					}
					all.Wait()
					total := readers * n * size
					chunks := n // of one event
					if size < chunkBytes {
						chunks = n/(chunkBytes/(size+100)) + 1 // a frame has some bytes more
					}
					if most := readers*chunks + 2; log.replays() > most {
						t.Errorf("%d reads for %d KB, want at most %d", log.replays(), total>>10, most)
					}
					if log.bytes > 3*total {
						t.Errorf("%d KB were read for %d KB", log.bytes>>10, total>>10)
					}
				})
			})
		}
	}
}
