package verify

import (
	"context"
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

// checkEvery is the time between two checks while the run goes on.
const checkEvery = 300 * time.Millisecond

// A checker compares the traces of all readers with the log copy. With a recorder it
// does so during the run and then discards what it has checked. Without one it checks
// once, at the end, and first builds the log copy from the traces. It belongs to one
// goroutine.
type checker struct {
	log      *logCopy
	writes   *writeLog
	findings *findings
	times    *histogram
	recorder *recorder // nil without a database
	traces   []*trace
	readers  []*readerCheck // readers[i] checks traces[i]
}

func newChecker(w *writeLog, f *findings) *checker {
	return &checker{log: newLogCopy(), writes: w, findings: f, times: &histogram{}}
}

// addReader adds a reader of the topics and returns the trace that it has to fill.
func (c *checker) addReader(name string, topics []string) *trace {
	t := &trace{}
	c.traces = append(c.traces, t)
	c.readers = append(c.readers, newReaderCheck(name, topics, c.log, c.writes, c.findings, c.times))
	return t
}

// run checks until ctx ends. It returns an error only if the recorder can never
// complete the log copy. A log that cannot be read for a while is no error: readers
// have to wait for it as well.
func (c *checker) run(ctx context.Context) error {
	if c.recorder == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.check(ctx); err == errIncomplete {
			return err
		}
	}
}

// check copies new events of the log and checks the steps that the copy covers.
func (c *checker) check(ctx context.Context) error {
	e := extent{readAt: c.writes.now()}
	if err := c.recorder.catchUp(ctx); err != nil {
		return err
	}
	e.through, e.floor = c.log.through, c.recorder.floor
	c.checkReaders(e)
	c.log.discard(c.slowest())
	return nil
}

func (c *checker) checkReaders(e extent) {
	for i, r := range c.readers {
		r.check(c.traces[i].take(), e)
	}
}

// slowest is the lowest position of all readers, as far as they were checked.
func (c *checker) slowest() int64 {
	least := c.log.through
	for _, r := range c.readers {
		if !r.started {
			return 0
		}
		least = min(least, r.at.Position)
	}
	return least
}

// finish checks all that is left. It is called once, when all readers and writers have
// stopped.
func (c *checker) finish(ctx context.Context) error {
	e := extent{readAt: c.writes.now(), floor: -1, final: true}
	if c.recorder != nil {
		if err := c.recorder.catchUp(ctx); err != nil {
			return err
		}
		if err := c.recorder.recheck(ctx); err != nil {
			return err
		}
		e.floor = c.recorder.floor
		e.readAt = c.writes.now()
	} else {
		c.mergeTraces()
	}
	e.through = c.log.through
	c.checkReaders(e)
	for _, r := range c.readers {
		r.finish()
	}
	c.checkWrites()
	return nil
}

// checkWrites compares the outcomes of all writes with the log copy. Without a recorder
// the copy lacks events if a reader was cut off: acknowledged writes may be among them.
func (c *checker) checkWrites() {
	missing, unwanted := c.writes.violations()
	if c.recorder == nil && slices.ContainsFunc(c.readers, func(r *readerCheck) bool { return r.cutOff }) {
		missing = nil
	}
	for _, n := range missing {
		c.findings.add(lost, 1, "log: write %d was acknowledged and is not in the log", n)
	}
	for _, n := range unwanted {
		c.findings.add(invented, 1, "log: write %d was refused or rolled back and is in the log", n)
	}
}

// mergeTraces makes the log copy from the events that any reader got. If two readers
// got different events at one position, at least one of them is wrong: the copy gets
// the first, and the contradiction is a fault.
func (c *checker) mergeTraces() {
	all := make(map[int64]summary)
	for i, t := range c.traces {
		steps := t.take()
		c.readers[i].pending = append(c.readers[i].pending, steps...)
		for _, s := range steps {
			p := s.cursor.Position
			known, ok := all[p]
			switch {
			case s.kind != received || s.cursor == (stream.Cursor{}) || s.event.misrouted:
			case !ok:
				all[p] = s.event
			case known.digest != s.event.digest || !sameText(known.text, s.event.text):
				c.findings.add(invented, 1, "readers got different events at %d: %s of %s and %s of %s", p, known.name, known.topic, s.event.name, s.event.topic)
			case known.text == text{}:
				all[p] = s.event
			}
		}
	}
	positions := make([]int64, 0, len(all))
	for p := range all {
		positions = append(positions, p)
	}
	slices.Sort(positions)
	for _, p := range positions {
		e := all[p]
		c.log.add(p, e)
		c.log.through = p
		if c.writes.found(c.writes.number(e), e.comment) {
			c.findings.add(duplicated, 1, "log: write %d is in the log twice, again at %d", c.writes.number(e), p)
		}
	}
}

// delivered returns the number of events that arrived as they should, and of gaps that
// were announced.
func (c *checker) delivered() (events, gaps int64) {
	for _, r := range c.readers {
		events += r.delivered
		gaps += r.gaps
	}
	return events, gaps
}
