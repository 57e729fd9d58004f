package awareness

import (
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

const (
	// pollLasts is how long the reader of a poll counts after the answer.
	pollLasts = 10 * time.Second
	// watchLasts is how long a post stays watched after its last watcher, which may poll
	// again or load another page.
	watchLasts = 10 * time.Second
	// answersLimit is how long the answers of other instances are waited for when a post
	// begins to be watched.
	answersLimit = 3 * time.Second
)

// A room has the readers of one post on this instance. It exists while there are any, or
// while the post is watched.
type room struct {
	topic stream.Topic
	due   time.Time // place in the schedule
	place int       // index in the schedule; -1: not scheduled

	// Readers that are not signed in.
	anonymous int                           // streams and waiting polls
	away      map[stream.Cursor][]time.Time // polls that were answered, by the cursor of the next poll: when each stops to count
	awayCount int                           // number of times in away

	users   map[string]*viewer   // by id
	leaving map[string]time.Time // users whose polls were answered and who read nothing else: when each stops to count
	expiry  time.Time            // no time in away and leaving is earlier; zero if there is none

	watch  watch
	wanted bool // another instance watches the post
	show   show
}

// A viewer is a user that reads a post.
type viewer struct {
	name    string
	member  Member
	readers int       // streams and waiting polls
	until   time.Time // counts until then, even without a reader
}

func newRoom(topic stream.Topic) *room {
	return &room{
		topic: topic, place: -1,
		away: make(map[stream.Cursor][]time.Time), users: make(map[string]*viewer), leaving: make(map[string]time.Time),
	}
}

// viewers is the number of readers of this instance that are not signed in.
func (r *room) viewers() int { return r.anonymous + r.awayCount }

// empty reports whether the room need not exist.
func (r *room) empty() bool { return r.viewers() == 0 && len(r.users) == 0 && !r.watch.on }

// join counts a reader.
func (r *room) join(reader Reader) {
	id := reader.User.ID
	if id == "" {
		r.anonymous++
		r.comeBack(reader)
		return
	}
	v := r.users[id]
	if v == nil {
		v = &viewer{member: memberOf(id)}
		r.users[id] = v
		r.show.joined.add(reader.User)
	}
	v.name = reader.User.Name
	v.readers++
	delete(r.leaving, id)
}

// comeBack removes the answered poll whose reader polls again: one with this cursor. If there
// are several, their readers need not be told apart.
func (r *room) comeBack(reader Reader) {
	times := r.away[reader.At]
	if !reader.Poll || len(times) == 0 {
		return
	}
	r.awayCount--
	if len(times) == 1 {
		delete(r.away, reader.At)
		return
	}
	r.away[reader.At] = times[1:]
}

// leave ends the reader of a visit.
func (r *room) leave(v *Visit, now time.Time) {
	until := now.Add(pollLasts)
	if v.reader.User.ID == "" {
		r.anonymous--
		if v.answered {
			r.away[v.next] = append(r.away[v.next], until)
			r.awayCount++
			r.expiry = earlier(r.expiry, until)
		}
		return
	}
	id := v.reader.User.ID
	user := r.users[id]
	user.readers--
	if v.answered {
		user.until = until
	}
	switch {
	case user.readers > 0:
	case user.until.After(now):
		r.leaving[id] = user.until
		r.expiry = earlier(r.expiry, user.until)
	default:
		r.remove(id)
	}
}

func (r *room) remove(id string) {
	r.show.left.add(User{id, r.users[id].name})
	delete(r.users, id)
}

// expire removes the readers of polls that were answered too long ago. It reports whether
// there was one.
func (r *room) expire(now time.Time) (changed bool) {
	if r.expiry.IsZero() || r.expiry.After(now) {
		return false
	}
	r.expiry = time.Time{}
	for cursor, times := range r.away {
		n := 0
		for n < len(times) && !times[n].After(now) {
			n++
		}
		r.awayCount -= n
		changed = changed || n > 0
		if n == len(times) {
			delete(r.away, cursor)
			continue
		}
		r.away[cursor] = times[n:]
		r.expiry = earlier(r.expiry, times[n])
	}
	for id, until := range r.leaving {
		if until.After(now) {
			r.expiry = earlier(r.expiry, until)
			continue
		}
		delete(r.leaving, id)
		r.remove(id)
		changed = true
	}
	return changed
}

// firstUsers returns the first users of the room in the order of their ids, as many as an
// event shows.
func (r *room) firstUsers() []User {
	users := make([]User, 0, len(r.users))
	for id, v := range r.users {
		users = append(users, User{id, v.name})
	}
	return first(users)
}

// members returns the users of the room as members, in order.
func (r *room) members() []Member {
	members := make([]Member, 0, len(r.users))
	for _, v := range r.users {
		members = append(members, v.member)
	}
	slices.Sort(members)
	return slices.Compact(members)
}

// A watch says whether this instance watches a post: whether it has readers that ask for its
// presence, or was asked by State.
type watch struct {
	on       bool
	watchers int            // readers that ask
	until    time.Time      // without watchers, the watch ends then
	ready    bool           // the other instances have told what they know
	readyBy  time.Time      // the watch becomes ready without their answers
	asked    bool           // State has begun the watch
	number   int64          // Instance.Asked when the watch was reported; 0: not yet
	answers  []chan<- State // of State, which wait until the watch is ready
}

// due is the time at which the watch changes; zero: none.
func (w *watch) due() (due time.Time) {
	if !w.on {
		return due
	}
	if !w.ready {
		due = w.readyBy
	}
	if w.watchers == 0 {
		due = earlier(due, w.until)
	}
	return due
}
