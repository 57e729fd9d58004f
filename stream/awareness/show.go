package awareness

import (
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

const (
	// presenceInterval is the least time between two presence events of a post.
	presenceInterval = time.Second
	// A post with more than crowd viewers is a crowd. Its events are sent at most every
	// crowdInterval, and only if the number of viewers has changed by crowdChange percent.
	crowd         = 100
	crowdInterval = 5 * time.Second
	crowdChange   = 1
	// presenceShown is the number of users that a state lists, and of joined and left users.
	// Of a crowd, so many come and go that an event lists crowdHints of them.
	presenceShown = 20
	crowdHints    = 5
)

// A show has the last presence event of a post and what has happened since.
type show struct {
	changed bool      // readers have come or gone since the last look
	greet   bool      // a new stream has got no event yet
	next    time.Time // the next event may be sent then
	sent    State
	sentAt  time.Time // zero: no event was sent since the post is watched
	told    []Member  // the users of the last event
	joined  names     // users that have come since
	left    names     // users that have gone since
}

// names are users that came or went, as hints. Users beyond a bound are left out.
type names []User

func (n *names) add(u User) {
	if len(*n) < 3*presenceShown && !slices.ContainsFunc(*n, func(o User) bool { return o.ID == u.ID }) {
		*n = append(*n, u)
	}
}

// choose returns the first users of whom ok is true, at most most.
func (n names) choose(most int, ok func(Member) bool) []User {
	chosen := make([]User, 0, min(len(n), most))
	for _, u := range n {
		if len(chosen) < most && ok(memberOf(u.ID)) {
			chosen = append(chosen, u)
		}
	}
	return chosen
}

// compare notes the users that have come and gone on another instance, as far as its rows name
// them. Those that the row names only because others have gone have not come.
func (s *show) compare(before, after Row) {
	for _, u := range after.Users {
		if _, known := slices.BinarySearch(before.Members, memberOf(u.ID)); !known {
			s.joined.add(u)
		}
	}
	for _, u := range before.Users {
		if _, stays := slices.BinarySearch(after.Members, memberOf(u.ID)); !stays {
			s.left.add(u)
		}
	}
}

// due is the time at which an event may have to be sent; zero: none.
func (s *show) due(now time.Time) time.Time {
	switch {
	case !s.changed && !s.greet:
		return time.Time{}
	case s.next.After(now):
		return s.next
	}
	return now
}

// event returns the event for the state of a post, if one has to be sent now.
func (s *show) event(topic stream.Topic, state State, members []Member, now time.Time) (e stream.Event, ok bool) {
	if !s.sentAt.IsZero() && state.Viewers > crowd {
		if calm := s.sentAt.Add(crowdInterval); now.Before(calm) {
			s.next = calm
			return e, false
		}
		if difference := abs(state.Viewers - s.sent.Viewers); difference*100 < crowdChange*s.sent.Viewers || difference == 0 {
			s.changed, s.greet, s.next = false, false, now.Add(presenceInterval)
			return e, false
		}
	} else if !s.greet && !s.sentAt.IsZero() && state.Viewers == s.sent.Viewers && slices.Equal(state.Users, s.sent.Users) {
		s.changed = false
		return e, false
	}
	hints := presenceShown
	if state.Viewers > crowd {
		hints = crowdHints
	}
	has := func(all []Member, m Member) bool {
		_, found := slices.BinarySearch(all, m)
		return found
	}
	data := stream.MustData(struct {
		State
		Joined []User `json:"joined"`
		Left   []User `json:"left"`
	}{
		state,
		s.joined.choose(hints, func(m Member) bool { return has(members, m) && !has(s.told, m) }),
		s.left.choose(hints, func(m Member) bool { return !has(members, m) && has(s.told, m) }),
	})
	*s = show{sent: state, sentAt: now, next: now.Add(presenceInterval), told: members, joined: s.joined[:0], left: s.left[:0]}
	return stream.Event{Topic: topic, Name: stream.PresenceName, Data: data}, true
}

// begin forgets the last event, because nobody has watched the post since. members are the
// users of the post now.
func (s *show) begin(members []Member) {
	*s = show{changed: true, told: members}
}

func abs(n int) int { return max(n, -n) }

// first returns the first users in the order of their ids, each once, as many as an event
// shows.
func first(users []User) []User {
	sortUsers(users)
	users = slices.CompactFunc(users, func(a, b User) bool { return a.ID == b.ID })
	return users[:min(len(users), presenceShown)]
}
