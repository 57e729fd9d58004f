package stream

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// A lateLog returns the reads of replays only after hold is closed.
type lateLog struct {
	*memoryLog
	hold chan struct{}
}

func (l lateLog) Read(ctx context.Context, q Query) (Batch, error) {
	batch, err := l.memoryLog.Read(ctx, q)
	if q.Topics != nil && l.hold != nil {
		<-l.hold
	}
	return batch, err
}

func TestReplayOfAHistoryThatIsRestoredMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := lateLog{newMemoryLog(), make(chan struct{})}
		log.append(post42, post42, post42, post42)
		h := run(t, log, HubConfig{RingEvents: 1})
		kept := log.want(0, post42)[1]
		s := subscribe(t, h, At(kept), post42)
		lost := log.want(0, post42)[3]
		var got []Cursor
		var err error
		done := make(chan struct{})
		go func() { // reads the old history and returns late
			defer close(done)
			var frames []*Frame
			frames, err = s.Take(t.Context(), Unlimited)
			for _, f := range frames {
				got = append(got, f.Cursor)
			}
		}()
		synctest.Wait()
		log.restore(kept.Position)
		log.newEpoch(2)
		write(h, log.memoryLog, post42, post42)
		close(log.hold)
		<-done
		if err == nil && len(got) > 0 && got[len(got)-1] == lost { // correct if the gap follows
			wantGap(t, s, GapRestored, h.Head())
			return
		}
		wantAll(t, append(got, takeAll(t, s)...), log.want(kept.Position, post42))
	})
}

// The reader has read further than the hub, and the restore loses only that part.
func TestReaderAheadOfTheHubWhenHistoryIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		log.append(post42, post42)
		h := run(t, log, HubConfig{})
		kept := h.Head()
		log.append(post42, post42)                               // no doorbell
		s := subscribe(t, h, At(log.want(0, post42)[3]), post42) // from another instance
		takeAll(t, s)
		if !s.at.live {
			t.Fatal("the reader is not live")
		}
		log.restore(kept.Position)
		log.newEpoch(2)
		write(h, log, post42)
		wantGap(t, s, GapRestored, h.Head())
		from := h.Head()
		write(h, log, post42, post42)
		wantAll(t, takeAll(t, s), log.want(from.Position, post42))
	})
}

// Lost events wait in the backlog of a reader, which has taken none of them. It never gets
// them.
func TestReaderWithALostChunkWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		log.append(post42, post42, post42, post42)
		h := run(t, log, HubConfig{RingEvents: 1})
		kept := h.Head()
		log.append(post42, post42) // no doorbell
		lost := log.lastCursor()
		s := subscribe(t, h, At(Cursor{1, 0}), post42) // only the log has the events
		frames, err := s.Take(t.Context(), 1)
		if err != nil || len(frames) != 1 || !s.at.live || s.at.reach != lost {
			t.Fatalf("got %d frames, %v; live: %v, reach %v", len(frames), err, s.at.live, s.at.reach)
		}
		log.restore(kept.Position)
		log.newEpoch(2)
		write(h, log, post42, post42, post42)
		wantAll(t, append([]Cursor{frames[0].Cursor}, takeAll(t, s)...), log.want(0, post42))
		if s.Cursor() != h.Head() {
			t.Errorf("cursor %v, want the head %v", s.Cursor(), h.Head())
		}
	})
}

// A waitingReader takes everything from the beginning, in a goroutine.
type waitingReader struct {
	leave context.CancelFunc
	got   []Cursor
	err   error
	left  chan struct{} // closed when it is over
}

func await(t *testing.T, h *Hub, topics []Topic) *waitingReader {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r := &waitingReader{leave: leave, left: make(chan struct{})}
	s := subscribe(t, h, At(Cursor{1, 0}), topics...)
	go func() {
		defer close(r.left)
		defer s.Close()
		var frames []*Frame
		frames, r.err = s.Take(ctx, Unlimited)
		for _, f := range frames {
			r.got = append(r.got, f.Cursor)
		}
	}()
	synctest.Wait()
	return r
}

// wantWaiting checks how many replays wait.
func wantWaiting(t *testing.T, h *Hub, want int) {
	t.Helper()
	synctest.Wait()
	h.replays.mu.Lock()
	defer h.replays.mu.Unlock()
	if got, places := h.replays.waiting.Len(), len(h.replays.places); got != want || places != want {
		t.Errorf("%d readers wait in %d places, want %d", got, places, want)
	}
}

func TestReadersThatLeaveWhileTheyWaitForTheLog(t *testing.T) {
	t.Parallel()

	// One read has room for the topics of one reader only.
	own := func(reader int) (topics []Topic) {
		for i := range foldTopics {
			topics = append(topics, Topic{fmt.Sprintf("user:%d-%d", reader, i)})
		}
		return topics
	}
	busy := func(t *testing.T, test func(t *testing.T, log lateLog, h *Hub)) {
		synctest.Test(t, func(t *testing.T) {
			log := lateLog{newMemoryLog(), make(chan struct{})}
			for i := range 50 {
				log.append(post42, own(i)[0], post43, own(i)[foldTopics-1])
			}
			h := run(t, log, HubConfig{RingEvents: 1, Replays: 1})
			first := await(t, h, []Topic{post42})
			test(t, log, h)
			<-first.left
			wantAll(t, first.got, log.want(0, post42))
		})
	}

	t.Run("AreNotReadFor", func(t *testing.T) {
		t.Parallel()
		busy(t, func(t *testing.T, log lateLog, h *Hub) {
			var readers []*waitingReader
			for i := range 50 {
				readers = append(readers, await(t, h, own(i)))
			}
			wantWaiting(t, h, len(readers))
			stay := func(i int) bool { return i%10 == 3 }
			for i, r := range readers {
				if !stay(i) {
					r.leave()
				}
			}
			wantWaiting(t, h, 5)
			close(log.hold)
			for i, r := range readers {
				<-r.left
				if !stay(i) {
					continue
				}
				if wantAll(t, r.got, log.want(0, own(i)...)); r.err != nil {
					t.Error(r.err)
				}
			}
			if reads := log.replays(); reads != 1+5 {
				t.Errorf("the log was read %d times, want once for the first and once for each that stayed", reads)
			}
		})
	})
	t.Run("LeaveNothingBehind", func(t *testing.T) {
		t.Parallel()
		busy(t, func(t *testing.T, log lateLog, h *Hub) {
			stays := await(t, h, own(0))
			for i := range 50 {
				comes := await(t, h, own(i))
				wantWaiting(t, h, 2)
				comes.leave()
				<-comes.left
				wantWaiting(t, h, 1)
			}
			close(log.hold)
			<-stays.left
			wantAll(t, stays.got, log.want(0, own(0)...))
		})
	})
}
