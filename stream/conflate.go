package stream

import (
	"encoding/json"
	"time"
)

// Conflation: a reader of a stream may get only the newest of several counts.
//
// The rule: an event may be dropped only in favor of a later one of the same topic, name
// and target that is written to the reader with it. No event moves forward and no event
// overtakes a held one, so every cursor stays exact.
//
// It has five parts:
//
//   - conflationOf returns the target of an event: topic, name, post and comment. Only
//     like-update and comment-count have a target; every other event is always delivered.
//   - latest marks a frame as superseded when a later frame with its target arrives.
//   - pace holds like-updates of one target back, so that several can be reduced to one.
//   - dropSuperseded leaves out of one write the frames that a later frame of the same
//     write supersedes.
//   - [backlog.replaceHeld] replaces a held frame by a later frame with its target.
//
// Polls and short replays get every event: [backlog.conflates] turns the rule off.

// A conflation identifies the target of an event. Events with equal targets supersede each
// other. The zero value means that the event has no target.
type conflation struct {
	topic  Topic
	name   Name
	target string
}

// conflationOf returns the target of an event. It reads the post and the comment from the
// data of the event.
func conflationOf(e Event) conflation {
	if e.Ephemeral() || e.Name != LikeUpdateName && e.Name != CommentCountName {
		return conflation{}
	}
	var data struct {
		PostID    string `json:"postId"`
		CommentID string `json:"commentId"`
	}
	if json.Unmarshal(e.Data.json, &data) != nil {
		return conflation{}
	}
	return conflation{e.Topic, e.Name, data.PostID + " " + data.CommentID}
}

// latest has the newest frame of each target. It belongs to a ring or to one read of the
// log.
type latest map[conflation]*Frame

// add makes f the newest frame of its target, and marks the frame before it as superseded.
func (l latest) add(f *Frame) {
	if f.conflation == (conflation{}) {
		return
	}
	if older := l[f.conflation]; older != nil {
		older.superseded.Store(f.Cursor.Position)
	}
	l[f.conflation] = f
}

// forget removes f if f is the newest frame of its target.
func (l latest) forget(f *Frame) {
	if l[f.conflation] == f {
		delete(l, f.conflation)
	}
}

// dropSuperseded appends to into the frames that no later frame among them supersedes,
// and returns how many it left out.
func dropSuperseded(into, frames []*Frame) (kept []*Frame, dropped int) {
	through := int64(0)
	for _, f := range frames {
		through = max(through, f.Cursor.Position)
	}
	for _, f := range frames {
		if later := f.superseded.Load(); later > 0 && later <= through {
			dropped++
			continue
		}
		into = append(into, f)
	}
	return into, dropped
}

// likePace is the least time between two like-updates of one target, and so the longest
// time that one is held. 260 ms rather than 250: five updates then span 1.04 s, so no
// one-second window contains five even if the first is delivered up to 40 ms late.
const likePace = 260 * time.Millisecond

// A pace holds like-updates back so that readers get the newest of several. The first
// like-update of a target is released at once. Those that follow within likePace are held
// until that time is over. A held frame waits in the backlog of each reader, in its place,
// and any later frame releases it, so no cursor passes it.
//
// The lock of the shard guards its pace.
type pace struct {
	targets map[conflation]*pacedTarget
	queue   []*pacedTarget // the values of targets, in the order of until
}

// A pacedTarget is a target that had a like-update less than likePace ago.
type pacedTarget struct {
	conflation conflation
	audience   *audience
	until      time.Duration // when the next like-update may be released
	held       bool          // a like-update is held
}

func newPace() pace { return pace{targets: make(map[conflation]*pacedTarget)} }

// admit reports whether a frame may be released at once. Otherwise the frame is held until
// release is called at the time when its target may be released.
func (p *pace) admit(f *Frame, a *audience, now time.Duration) bool {
	if f.Name != LikeUpdateName || f.conflation == (conflation{}) {
		return true
	}
	if t := p.targets[f.conflation]; t != nil {
		t.held, t.audience = true, a
		return false
	}
	t := &pacedTarget{conflation: f.conflation, audience: a, until: now + likePace}
	p.targets[f.conflation] = t
	p.queue = append(p.queue, t)
	return true
}

// release releases the held frames of all targets whose time has come, and removes such
// targets without a held frame.
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
			s.releaseLocked()
		}
		t.held, t.until = false, now+likePace
		p.queue = append(p.queue, t)
	}
}

// next returns the time until release has to be called; an hour if nothing is queued.
func (p *pace) next(now time.Duration) time.Duration {
	if len(p.queue) == 0 {
		return time.Hour
	}
	return max(0, p.queue[0].until-now)
}
