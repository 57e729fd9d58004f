package stream

import (
	"testing"
	"testing/synctest"
)

// Slowest has the readers that have not taken all, the one that lags most first, each once.
// After each commit, the log of the test skips a position.
func TestSlowest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		h := run(t, log, HubConfig{Shards: 2, Backlog: 4})
		idle := subscribe(t, h, Now, post43)
		first := subscribe(t, h, Now, post42, post43)
		write(h, log, post42)
		second := subscribe(t, h, Now, post42)
		write(h, log, post42, post42)
		if got := h.Slowest(10); len(got) != 2 || got[0].Lag != 4 || got[0].Waiting != 3 || len(got[0].Topics) != 2 || got[1].Lag != 3 || got[1].Waiting != 2 || got[1].Behind {
			t.Errorf("the slowest are %+v", got)
		}
		if got := h.Slowest(1); len(got) != 1 || got[0].Waiting != 3 {
			t.Errorf("the slowest one is %+v", got)
		}
		write(h, log, post42, post42)
		if got := h.Slowest(10); len(got) != 2 || !got[0].Behind || got[0].Lag != 7 || got[1].Behind || got[1].Waiting != 4 { // more than the backlog holds
			t.Errorf("the slowest are %+v", got)
		}
		takeAll(t, first)
		takeAll(t, second)
		takeAll(t, idle)
		if got := h.Slowest(10); len(got) != 0 {
			t.Errorf("after all was taken, the slowest are %+v", got)
		}
	})
}

// Recent has the newest events, the newest first.
func TestRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		h := run(t, log, HubConfig{RingEvents: 3})
		if got := h.Recent(5); len(got) != 0 {
			t.Errorf("at first, there are %+v", got)
		}
		write(h, log, post42, post43, post42, post43)
		got := h.Recent(2)
		if len(got) != 2 || got[0].Cursor != h.Head() || got[0].Topic != post43 || got[1].Topic != post42 || got[0].Bytes == 0 {
			t.Errorf("the newest are %+v", got)
		}
		if got := h.Recent(10); len(got) != 3 {
			t.Errorf("there are %d events in memory, want 3", len(got))
		}
	})
}
