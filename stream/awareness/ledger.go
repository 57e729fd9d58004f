package awareness

import (
	"time"

	"github.com/tidings-live/tidings/stream"
)

// mostAsked bounds the posts that only State watches.
const mostAsked = 10_000

// A ledger is all that a Presence knows. It is for one goroutine, and blocks on nothing.
type ledger struct {
	out      Broadcaster
	rooms    map[stream.Topic]*room
	schedule schedule
	watched  int // number of rooms that are watched
	asked    int // number of rooms that only State watches

	board
}

func newLedger(out Broadcaster, id string, shared bool) *ledger {
	return &ledger{out: out, rooms: make(map[stream.Topic]*room), board: newBoard(id, shared)}
}

// room returns the room of a post, and makes it if there is none.
func (l *ledger) room(topic stream.Topic) *room {
	r := l.rooms[topic]
	if r == nil {
		r = newRoom(topic)
		r.wanted = l.wanted(topic)
		l.rooms[topic] = r
	}
	return r
}

// join counts a reader of a post.
func (l *ledger) join(topic stream.Topic, reader Reader, now time.Time) {
	r := l.room(topic)
	r.join(reader)
	if reader.Asks {
		r.watch.watchers++
		l.watch(r, now)
		r.show.greet = r.show.greet || !reader.Poll
	}
	l.changed(r, now)
}

// leave ends the reader of a visit at a post.
func (l *ledger) leave(topic stream.Topic, v *Visit, now time.Time) {
	r := l.rooms[topic]
	r.leave(v, now)
	if v.reader.Asks {
		if r.watch.watchers--; r.watch.watchers == 0 {
			r.watch.until = now.Add(watchLasts)
		}
	}
	l.changed(r, now)
}

// ask sends the state of a post to answer, now or when it is known. It returns false if too
// many posts are asked for.
func (l *ledger) ask(topic stream.Topic, answer chan<- State, now time.Time) bool {
	r := l.room(topic)
	if !r.watch.on {
		if l.asked >= mostAsked {
			l.plan(r, now)
			return false
		}
		l.asked++
		r.watch.asked = true
		l.watch(r, now)
	}
	if r.watch.watchers == 0 {
		r.watch.until = now.Add(watchLasts)
	}
	r.watch.answers = append(r.watch.answers, answer)
	l.plan(r, now)
	return true
}

// watch begins to watch a post, if it is not watched yet.
func (l *ledger) watch(r *room, now time.Time) {
	if r.watch.on {
		return
	}
	w := &r.watch
	w.on, w.number, w.ready, w.readyBy = true, 0, !l.shared, now.Add(answersLimit)
	r.show.begin(r.members())
	l.watched++
	l.beginWatch(r)
}

// unwatch ends the watch of a post.
func (l *ledger) unwatch(r *room) {
	l.endWatch(r)
	l.watched--
	if r.watch.asked {
		l.asked--
	}
	r.watch = watch{}
}

// changed notes that readers of a post have come or gone, on any instance.
func (l *ledger) changed(r *room, now time.Time) {
	r.show.changed = r.watch.on
	if r.wanted {
		l.toReport(r.topic)
	}
	l.plan(r, now)
}

// plan sets when the room has something to do, and removes an empty room.
func (l *ledger) plan(r *room, now time.Time) {
	if r.empty() {
		l.schedule.set(r, time.Time{})
		delete(l.rooms, r.topic)
		return
	}
	due := earlier(r.expiry, r.watch.due())
	if w := &r.watch; w.on && w.ready {
		if len(w.answers) > 0 {
			due = now
		}
		if w.watchers > 0 {
			due = earlier(due, r.show.due(now))
		}
	}
	l.schedule.set(r, due)
}

// turn does all that is due, and returns the time until something else is. next is what has
// to be done with the board now; nil: nothing.
func (l *ledger) turn(now time.Time) (wait time.Duration, next *job) {
	for r := l.schedule.next(now); r != nil; r = l.schedule.next(now) {
		l.visit(r, now)
	}
	next, wait = l.nextJob(now)
	return min(wait, l.schedule.wait(now)), next
}

// visit does what is due in a room.
func (l *ledger) visit(r *room, now time.Time) {
	if r.expire(now) {
		l.changed(r, now)
	}
	w := &r.watch
	if w.on && !w.ready && !now.Before(w.readyBy) {
		w.ready = true
	}
	if w.on && w.ready {
		l.tell(r, now)
	}
	if w.on && w.watchers == 0 && !now.Before(w.until) && len(w.answers) == 0 {
		l.unwatch(r)
	}
	l.plan(r, now)
}

// tell answers the calls of State, and broadcasts an event if one is due.
func (l *ledger) tell(r *room, now time.Time) {
	due := r.show.due(now)
	eventDue := r.watch.watchers > 0 && !due.IsZero() && !due.After(now)
	if !eventDue && len(r.watch.answers) == 0 {
		return
	}
	state, members := l.state(r)
	for _, answer := range r.watch.answers {
		answer <- state // has room
	}
	r.watch.answers = nil
	if !eventDue {
		return
	}
	if e, ok := r.show.event(r.topic, state, members, now); ok {
		l.out.Broadcast(e)
	}
}

// state returns the presence of a post on all instances, and its users as members.
func (l *ledger) state(r *room) (State, []Member) {
	viewers, users, members := r.viewers(), r.firstUsers(), r.members()
	for row := range l.rowsOf(r.topic) {
		viewers += row.Viewers
		users = append(users, row.Users...)
		members = merge(members, row.Members)
	}
	return State{PostID: r.topic.ID(), Viewers: viewers + len(members), Users: first(users)}, members
}

// merge returns the members of two sorted lists, each once.
func merge(a, b []Member) []Member {
	if len(b) == 0 {
		return a
	}
	merged := make([]Member, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			merged, a = append(merged, a[0]), a[1:]
		case a[0] > b[0]:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged, a, b = append(merged, a[0]), a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}
