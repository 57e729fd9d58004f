package verify

import (
	"context"
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

// hearing is how often the court sits while the run goes on.
const hearing = 300 * time.Millisecond

// A court judges all readers. Without a recorder it has no truth until the end, when
// it makes one from what any of them saw. It belongs to one goroutine.
type court struct {
	truth    *truth
	ledger   *ledger
	tally    *tally
	times    *histogram
	recorder *recorder // nil without a database
	trails   []*trail
	judges   []*judge
}

func newCourt(l *ledger, sum *tally) *court {
	return &court{truth: newTruth(), ledger: l, tally: sum, times: &histogram{}}
}

// admit has the court judge one more reader of the topics.
func (c *court) admit(name string, topics []string) *trail {
	t := &trail{}
	c.trails = append(c.trails, t)
	c.judges = append(c.judges, newJudge(name, topics, c.truth, c.ledger, c.tally, c.times))
	return t
}

// run sits until ctx ends. A log that cannot be read for a while is no error: its
// readers wait as well.
func (c *court) run(ctx context.Context) error {
	if c.recorder == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(hearing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.sit(ctx); err == errBlind {
			return err
		}
	}
}

// sit takes in what is new of the log and of the trails, and judges.
func (c *court) sit(ctx context.Context) error {
	v := view{readAt: c.ledger.now()}
	if err := c.recorder.catchUp(ctx); err != nil {
		return err
	}
	v.through, v.floor = c.truth.through, c.recorder.floor
	c.hear(v)
	c.truth.forget(c.slowest())
	return nil
}

func (c *court) hear(v view) {
	for i, j := range c.judges {
		j.hear(c.trails[i].take(), v)
	}
}

// slowest is where the reader is that is furthest behind.
func (c *court) slowest() int64 {
	least := c.truth.through
	for _, j := range c.judges {
		if !j.began {
			return 0
		}
		least = min(least, j.at.Position)
	}
	return least
}

// close judges all that is left when everyone has stopped.
func (c *court) close(ctx context.Context) error {
	v := view{readAt: c.ledger.now(), floor: -1, final: true}
	if c.recorder != nil {
		if err := c.recorder.catchUp(ctx); err != nil {
			return err
		}
		if err := c.recorder.recheck(ctx); err != nil {
			return err
		}
		v.floor = c.recorder.floor
		v.readAt = c.ledger.now()
	} else {
		c.gather()
	}
	v.through = c.truth.through
	c.hear(v)
	for _, j := range c.judges {
		j.close()
	}
	c.closeLedger()
	return nil
}

func (c *court) closeLedger() {
	missing, undead := c.ledger.broken()
	for _, n := range missing {
		c.tally.count(lost, 1, "log: write %d was acknowledged and is not there", n)
	}
	for _, n := range undead {
		c.tally.count(invented, 1, "log: write %d was refused or rolled back and is there", n)
	}
}

// gather makes the truth of all that the readers saw. Two who saw different events
// at one position contradict each other: one of them is wrong.
func (c *court) gather() {
	all := make(map[int64]fact)
	for i, t := range c.trails {
		steps := t.take()
		c.judges[i].waiting = append(c.judges[i].waiting, steps...)
		for _, s := range steps {
			p := s.cursor.Position
			known, ok := all[p]
			switch {
			case s.kind != arrived || s.cursor == (stream.Cursor{}) || s.fact.astray:
			case !ok:
				all[p] = s.fact
			case known.digest != s.fact.digest:
				c.tally.count(invented, 1, "readers saw different events at %d: %s of %s and %s of %s", p, known.name, known.topic, s.fact.name, s.fact.topic)
			}
		}
	}
	positions := make([]int64, 0, len(all))
	for p := range all {
		positions = append(positions, p)
	}
	slices.Sort(positions)
	for _, p := range positions {
		f := all[p]
		c.truth.add(p, f)
		c.truth.through = p
		if c.ledger.logged(f.n) {
			c.tally.count(duplicated, 1, "log: write %d is there twice, again at %d", f.n, p)
		}
	}
}

// delivered is how many events readers got, and how many gaps they were told of.
func (c *court) delivered() (events, gaps int64) {
	for _, j := range c.judges {
		events += j.delivered
		gaps += j.gaps
	}
	return events, gaps
}
