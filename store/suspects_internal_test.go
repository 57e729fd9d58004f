package store

import (
	"fmt"
	"testing"
	"time"
)

func TestSuspects(t *testing.T) {
	t.Parallel()

	begin := time.Now()
	refused := func(user string) *write { return &write{user: User{ID: user}, refused: true} }

	t.Run("AreSoForAWhile", func(t *testing.T) {
		t.Parallel()
		s := make(suspects)
		s.note(begin, refused("bad"), &write{user: User{ID: "good"}})
		for _, c := range []struct {
			user  string
			after time.Duration
			want  bool
		}{{"good", 0, false}, {"bad", 0, true}, {"bad", suspicion - 1, true}, {"bad", suspicion, false}} {
			if got := s.has(&write{user: User{ID: c.user}}, begin.Add(c.after)); got != c.want {
				t.Errorf("%s is suspect after %v: %v", c.user, c.after, got)
			}
		}
		if len(s) != 0 {
			t.Errorf("%d are remembered", len(s))
		}
	})
	t.Run("AreSoForLongerWhenRefusedAgain", func(t *testing.T) {
		t.Parallel()
		g := newGroup(nil)
		w := refused("bad")
		g.suspects[w.suspect()] = begin // over
		g.lane++
		g.release(w) // by the slow lane
		if !g.suspects.has(w, begin.Add(suspicion/2)) {
			t.Error("who was refused once more is no suspect")
		}
	})
	t.Run("AreTopicsOfEvents", func(t *testing.T) {
		t.Parallel()
		s := make(suspects)
		s.note(begin, &write{event: &newEvent{topic: "a:1"}, refused: true})
		if !s.has(&write{event: &newEvent{topic: "a:1"}}, begin) || s.has(&write{event: &newEvent{topic: "a:2"}}, begin) {
			t.Error("not the topic that was refused is suspect")
		}
	})
	t.Run("AreBounded", func(t *testing.T) {
		t.Parallel()
		s := make(suspects)
		for i := range suspectsMost + 10 {
			s.note(begin, refused(fmt.Sprint(i)))
		}
		if len(s) != suspectsMost {
			t.Errorf("%d are remembered, want %d", len(s), suspectsMost)
		}
		s.note(begin.Add(suspicion), refused("late"))
		if len(s) != 1 {
			t.Errorf("%d are remembered, want the last alone", len(s))
		}
	})
}
