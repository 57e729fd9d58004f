package stream

import (
	"math/rand/v2"
	"runtime"
	"time"
)

// The answers to polls that wait for the same event are spread over a window, because clients
// poll again at once and would all return together. The window is the time in which the
// process can serve all of them: their number times the CPU time of one answer and the return
// after it, divided by the number of processors.
const (
	// spreadMost is the longest window.
	spreadMost = 100 * time.Millisecond
	// spreadEach is what each poll adds to the window before the CPU time is known. It is
	// also the most that a poll adds.
	spreadEach = 100 * time.Microsecond
	// costOver is the number of answers over which the CPU time is measured.
	costOver = 256
)

// A pollCost measures the CPU time of the process for each poll that a worker answers. Other
// work of the process is in it, too, so it may be too large, and not too small. The workers
// answer about equal numbers of polls. It belongs to one worker.
type pollCost struct {
	each    time.Duration // moving average, divided by the number of processors; 0: not known
	answers int           // since cpu
	cpu     time.Duration // of the process at the last measurement; 0: none yet
}

// measure adds what all workers have used since the last measurement, if there were enough
// answers since. cpu returns the CPU time of the process, or 0 if it is not known.
func (c *pollCost) measure(workers int, cpu func() time.Duration) {
	if c.cpu > 0 && c.answers < costOver {
		return
	}
	now := cpu()
	if c.cpu > 0 {
		each := (now - c.cpu) / time.Duration(c.answers*workers*runtime.GOMAXPROCS(0))
		if c.each > 0 {
			each = (3*c.each + each) / 4
		}
		c.each = min(each, spreadEach)
	}
	c.answers, c.cpu = 0, now
}

// window returns the window for the answers to a number of polls.
func (c *pollCost) window(polls int64) time.Duration {
	each := c.each
	if each == 0 {
		each = spreadEach
	}
	return min(spreadMost, time.Duration(polls)*each)
}

// spread delays the answer by a random time if the poll has waited and many other polls
// wait. A window below a slot of the timer wheel has no effect.
func (p *LongPoll) spread(o *output) {
	if p.due > 0 {
		return
	}
	p.due = o.now
	if !p.waited || o.now >= p.until {
		return
	}
	if window := o.cost.window(p.sub.shard.polls()); window >= wheelSlot {
		p.due += rand.N(window)
	}
}

// polls estimates the number of polls that wait at the hub, from those of this shard.
func (sh *shard) polls() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.count.Readers[Poll] * int64(len(sh.hub.shards))
}
