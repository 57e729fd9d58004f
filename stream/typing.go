package stream

import (
	"context"
	"sort"
	"sync"
	"time"
)

const (
	typingLasts    = 6 * time.Second // after the last signal
	typingInterval = time.Second     // between two states of a post
	typingShown    = 5               // of the typists, by name; the others are counted
	typingPosts    = 10_000          // posts remembered at once; signals for more are dropped
	typingUsers    = 1_000           // typists of a post remembered at once
)

// A Typist is somebody who is writing a comment.
type Typist struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// A Broadcaster takes ephemeral events; a [Hub] is one.
type Broadcaster interface {
	Broadcast(e Event)
}

// Typing turns signals ("Ann pressed a key") into the state of each post: who is
// typing now. The state is an ephemeral event, at most one a second a post, and a
// typist is forgotten 6 s after the last signal. Every instance hears every signal
// and keeps the same state.
type Typing struct {
	out  Broadcaster
	wake chan struct{}

	mu    sync.Mutex // guards posts and what they hold
	posts map[Topic]*typists
}

type typists struct {
	topic   Topic
	seen    map[string]seen // by user id
	told    time.Time       // when the state was last broadcast
	changed bool            // since then
}

type seen struct {
	typist Typist
	at     time.Time
}

// NewTyping makes a Typing that broadcasts to out once it runs.
func NewTyping(out Broadcaster) *Typing {
	return &Typing{out: out, wake: make(chan struct{}, 1), posts: make(map[Topic]*typists)}
}

// Signal notes that somebody types in a post.
func (t *Typing) Signal(topic Topic, who Typist) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		if len(t.posts) >= typingPosts {
			return
		}
		p = &typists{topic: topic, seen: make(map[string]seen)}
		t.posts[topic] = p
	}
	if _, known := p.seen[who.ID]; !known && len(p.seen) >= typingUsers {
		return
	}
	p.seen[who.ID] = seen{who, time.Now()}
	p.changed = true
	t.rouse()
}

// Stop notes that somebody no longer types: the comment was sent.
func (t *Typing) Stop(topic Topic, userID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		return
	}
	if _, ok := p.seen[userID]; ok {
		delete(p.seen, userID)
		p.changed = true
		t.rouse()
	}
}

// Types reports whether somebody is known to be typing in a post.
func (t *Typing) Types(topic Topic, userID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.posts[topic]
	if p == nil {
		return false
	}
	_, ok := p.seen[userID]
	return ok
}

func (t *Typing) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Run broadcasts states until ctx ends, then returns nil.
func (t *Typing) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		states, next := t.due(time.Now())
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
	}
}

// due forgets who went quiet, and returns the states to tell now and how long until
// there is something to do again.
func (t *Typing) due(now time.Time) (states []Event, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = time.Hour
	for topic, p := range t.posts {
		next = min(next, p.expire(now))
		wait := p.told.Add(typingInterval).Sub(now)
		quiet := !p.changed && len(p.seen) == 0
		switch {
		case wait > 0 && (p.changed || quiet):
			next = min(next, wait)
		case p.changed:
			states = append(states, p.state())
			p.told, p.changed = now, false
			next = min(next, typingInterval)
		case quiet:
			delete(t.posts, topic)
		}
	}
	return states, next
}

// expire forgets typists, and returns how long until the next one.
func (p *typists) expire(now time.Time) (next time.Duration) {
	next = time.Hour
	for id, s := range p.seen {
		left := s.at.Add(typingLasts).Sub(now)
		if left > 0 {
			next = min(next, left)
			continue
		}
		delete(p.seen, id)
		p.changed = true
	}
	return next
}

func (p *typists) state() Event {
	users := make([]Typist, 0, len(p.seen))
	for _, s := range p.seen {
		users = append(users, s.typist)
	}
	sort.Slice(users, func(i, j int) bool { return users[i].ID < users[j].ID })
	return Event{Topic: p.topic, Name: TypingName, Data: mustData(struct {
		PostID string   `json:"postId"`
		Users  []Typist `json:"users"`
		Count  int      `json:"count"`
	}{p.topic.ID(), users[:min(len(users), typingShown)], len(users)})}
}
