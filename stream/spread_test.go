package stream

import (
	"runtime"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The window for answers follows the CPU time that polls have taken.
func TestPollCost(t *testing.T) {
	t.Parallel()
	const workers = 2
	procs := time.Duration(runtime.GOMAXPROCS(0))
	var c pollCost
	cpu := time.Second
	answer := func(polls int, each time.Duration) {
		cpu += time.Duration(polls) * workers * each
		c.answers += polls
		c.measure(workers, func() time.Duration { return cpu })
	}
	answer(0, 0)
	streamtest.Want(t, "the window before a measurement", c.window(500), 50*time.Millisecond)
	answer(costOver-1, 20*time.Microsecond)
	streamtest.Want(t, "the window after too few answers", c.window(500), 50*time.Millisecond)
	answer(1, 20*time.Microsecond)
	streamtest.Want(t, "the window", c.window(500), 500*(20*time.Microsecond/procs))
	for range 40 {
		answer(costOver, 40*time.Microsecond)
	}
	if got, want := c.window(500), 500*(40*time.Microsecond/procs); got < want*9/10 || got > want {
		t.Errorf("the window is %v, want %v", got, want)
	}
	streamtest.Want(t, "the longest window", c.window(1_000_000), spreadMost)
	answer(costOver, time.Second)
	streamtest.Want(t, "the window after other work", c.window(500), 50*time.Millisecond)

	var unknown pollCost
	unknown.answers = 10 * costOver
	unknown.measure(workers, func() time.Duration { return 0 })
	streamtest.Want(t, "the window if the CPU time is not known", unknown.window(500), 50*time.Millisecond)
}
