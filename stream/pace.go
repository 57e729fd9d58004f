package stream

import "time"

// likePace is the least time between two like-updates of one target, and so the
// longest that one is held: hot posts are liked hundreds of times a second, and nobody
// can see that. It is a little over a quarter of a second, so that nobody counts five of
// them within any second, though one came 40 ms late and the fifth after it did not.
const likePace = 260 * time.Millisecond

// A pace holds latest-only events of a lane back for a moment, so that readers get
// the newest of several. Those that are held wait in the backlog of each reader, in
// their place: whatever follows takes them along, so that no cursor passes one. Its
// lane's lock guards it.
type pace struct {
	targets map[conflation]*target
	queue   []*target // the same, in the order of their time
}

// A target is what an event is the latest state of. It is kept while it is hot.
type target struct {
	conflation conflation
	audience   *audience
	until      time.Duration // when the next may go
	held       bool          // one waits
}

func newPace() pace { return pace{targets: make(map[conflation]*target)} }

// ripe reports whether an event may go to its readers at once; otherwise release
// lets it go.
func (p *pace) ripe(f *Frame, a *audience, now time.Duration) bool {
	if f.Name != LikeUpdateName || f.conflation == (conflation{}) {
		return true
	}
	if t := p.targets[f.conflation]; t != nil {
		t.held, t.audience = true, a
		return false
	}
	t := &target{conflation: f.conflation, audience: a, until: now + likePace}
	p.targets[f.conflation] = t
	p.queue = append(p.queue, t)
	return true
}

// release lets go what was held long enough, and forgets targets at rest.
func (p *pace) release(now time.Duration) {
	for len(p.queue) > 0 && p.queue[0].until <= now {
		t := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		if !t.held {
			delete(p.targets, t.conflation)
			continue
		}
		for _, s := range t.audience.subs {
			s.ripen()
		}
		t.held, t.until = false, now+likePace
		p.queue = append(p.queue, t)
	}
}

// next is how long until something may be released.
func (p *pace) next(now time.Duration) time.Duration {
	if len(p.queue) == 0 {
		return time.Hour
	}
	return max(0, p.queue[0].until-now)
}
