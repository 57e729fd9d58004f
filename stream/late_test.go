package stream

import (
	"context"
	"testing"
	"testing/synctest"
)

// lateLog holds back what a replay has read until it is let go.
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

func TestReplayThatIsOvertakenByARestore(t *testing.T) {
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
		go func() { // reads the old history, and is slow to come back with it
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
		if err == nil && len(got) > 0 && got[len(got)-1] == lost { // honest so far, if the gap follows
			wantGap(t, s, GapRestored, h.Head())
			return
		}
		wantAll(t, append(got, takeAll(t, s)...), log.want(kept.Position, post42))
	})
}

// The reader has seen more than the hub, and only that is lost.
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
		if !s.live {
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
