package awareness

import (
	"context"
	"sync"
	"time"

	"github.com/tidings-live/tidings/stream"
)

const (
	// typingLasts is how long a user counts as typing after the last signal.
	typingLasts = 6 * time.Second
	// typingInterval is the least time between two states of one post.
	typingInterval = time.Second
	// typingTurn is the least time between two looks at all posts that are typed in, so that
	// the cost of many signals is bounded.
	typingTurn = 20 * time.Millisecond
	// typingShown is how many users a state lists by name; others are only counted.
	typingShown = 5
	// maxPosts bounds the posts with a state. Signals for other posts are dropped.
	maxPosts = 10_000
	// maxTypists bounds the users of each state. Signals of other users are dropped.
	maxTypists = 1_000
)

// Typing turns signals ("Ann pressed a key") into the state of each post: the list of
// users that are typing now. Each state is an ephemeral event. A post has at most one
// state a second, and a user leaves the state 6 s after the last signal. All methods
// may be called from any goroutine.
type Typing struct {
	out  Broadcaster
	wake chan struct{} // holds a token when a post has changed

	mu    sync.Mutex // guards posts and the values in it
	posts map[stream.Topic]*post
}

// A post is the typing state of one post.
type post struct {
	topic   stream.Topic
	typists map[string]signal // by user id
	sent    time.Time         // when the state was last broadcast
	changed bool              // the state has changed since sent
}

// A signal is the last signal of a user.
type signal struct {
	from User
	at   time.Time
}

// NewTyping returns a Typing that broadcasts to out while Run runs.
func NewTyping(out Broadcaster) *Typing {
	return &Typing{out: out, wake: make(chan struct{}, 1), posts: make(map[stream.Topic]*post)}
}

// Signal records that a user types in a post. It does nothing when the limits of
// posts or users are reached.
func (t *Typing) Signal(topic stream.Topic, from User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		if len(t.posts) >= maxPosts {
			return
		}
		p = &post{topic: topic, typists: make(map[string]signal)}
		t.posts[topic] = p
	}
	if _, known := p.typists[from.ID]; !known && len(p.typists) >= maxTypists {
		return
	}
	p.typists[from.ID] = signal{from, time.Now()}
	p.changed = true
	t.notify()
}

// Stop records that a user no longer types in a post, because the comment was sent.
func (t *Typing) Stop(topic stream.Topic, userID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		return
	}
	if _, ok := p.typists[userID]; ok {
		delete(p.typists, userID)
		p.changed = true
		t.notify()
	}
}

// Types reports whether the state of a post has the user.
func (t *Typing) Types(topic stream.Topic, userID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		return false
	}
	_, ok := p.typists[userID]
	return ok
}

// notify tells Run that a post has changed.
func (t *Typing) notify() {
	select {
	case t.wake <- struct{}{}:
	default: // a token is already there
	}
}

// Run broadcasts states until ctx ends, then returns nil.
func (t *Typing) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		began := time.Now()
		states, next := t.due(began)
		for _, state := range states {
			t.out.Broadcast(state)
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-timer.C:
		}
		if pause := typingTurn - time.Since(began); pause > 0 && next < time.Hour {
			time.Sleep(pause)
		}
	}
}

// due removes users whose last signal is too old. It returns the states to broadcast
// now and how long until it should be called again.
func (t *Typing) due(now time.Time) (states []stream.Event, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = time.Hour
	for topic, p := range t.posts {
		next = min(next, p.expire(now))
		wait := p.sent.Add(typingInterval).Sub(now)
		quiet := !p.changed && len(p.typists) == 0
		switch {
		case wait > 0 && (p.changed || quiet):
			next = min(next, wait)
		case p.changed:
			states = append(states, p.state())
			p.sent, p.changed = now, false
			next = min(next, typingInterval)
		case quiet:
			delete(t.posts, topic)
		}
	}
	return states, next
}

// expire removes users whose last signal is too old. It returns the time until the next
// user has to be removed; an hour if there is none.
func (p *post) expire(now time.Time) (next time.Duration) {
	next = time.Hour
	for id, s := range p.typists {
		left := s.at.Add(typingLasts).Sub(now)
		if left > 0 {
			next = min(next, left)
			continue
		}
		delete(p.typists, id)
		p.changed = true
	}
	return next
}

// state is the event that lists the users by id and counts them.
func (p *post) state() stream.Event {
	users := make([]User, 0, len(p.typists))
	for _, s := range p.typists {
		users = append(users, s.from)
	}
	sortUsers(users)
	return stream.Event{Topic: p.topic, Name: stream.TypingName, Data: stream.MustData(struct {
		PostID string `json:"postId"`
		Users  []User `json:"users"`
		Count  int    `json:"count"`
	}{p.topic.ID(), users[:min(len(users), typingShown)], len(users)})}
}
