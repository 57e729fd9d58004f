package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A memoryLog is a Log in memory that tests can trim, restore and break.
type memoryLog struct {
	mu     sync.Mutex
	events []Event
	floor  int64
	epochs []Epoch
	last   int64 // position of the last append
	broken bool
	reads  int // reads by topics, which are replays
}

func newMemoryLog() *memoryLog {
	return &memoryLog{epochs: []Epoch{{Number: 1}}}
}

var errBroken = errors.New("log is broken")

func (l *memoryLog) Read(_ context.Context, q Query) (Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return Batch{}, errBroken
	}
	if q.Topics != nil {
		l.reads++
	}
	state := State{Head: max(l.floor, l.tail()), Floor: l.floor, Epochs: append([]Epoch(nil), l.epochs...)}
	batch := Batch{State: state, Through: state.Head}
	for _, e := range l.events {
		if e.Cursor.Position <= q.After || q.Topics != nil && !slices.Contains(q.Topics, e.Topic) {
			continue
		}
		if len(batch.Events) == q.Limit {
			batch.Through = batch.Events[q.Limit-1].Cursor.Position
			break
		}
		batch.Events = append(batch.Events, e)
	}
	return batch, nil
}

func (l *memoryLog) tail() int64 {
	if len(l.events) == 0 {
		return 0
	}
	return l.events[len(l.events)-1].Cursor.Position
}

// append writes one event to each topic, with gaps between the positions.
func (l *memoryLog) append(topics ...Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, topic := range topics {
		l.last += 1 + l.last%3
		epoch := l.epochs[len(l.epochs)-1].Number
		l.events = append(l.events, Event{Cursor: Cursor{epoch, l.last}, Topic: topic, Name: Name{"x"}, Data: Data{[]byte("1")}})
	}
}

// like writes a like-update of post 42 for each count.
func (l *memoryLog) like(counts ...int) {
	for _, n := range counts {
		l.append(post42)
		l.mu.Lock()
		e := &l.events[len(l.events)-1]
		e.Name, e.Data = LikeUpdateName, Data{fmt.Appendf(nil, `{"postId":"42","count":%d}`, n)}
		l.mu.Unlock()
	}
}

// likeComments writes a like-update with a count of each of some comments of post 42.
func (l *memoryLog) likeComments(count int, comments ...int) {
	for _, id := range comments {
		l.append(post42)
		l.mu.Lock()
		e := &l.events[len(l.events)-1]
		e.Name, e.Data = LikeUpdateName, Data{fmt.Appendf(nil, `{"postId":"42","count":%d,"commentId":"%d"}`, count, id)}
		l.mu.Unlock()
	}
}

// lastCursor is the cursor of the last event.
func (l *memoryLog) lastCursor() Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[len(l.events)-1].Cursor
}

// trim removes the events up to a position.
func (l *memoryLog) trim(position int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.events) > 0 && l.events[0].Cursor.Position <= position {
		l.events = l.events[1:]
	}
	l.floor = position
}

// restore removes the events after a position, as the restore of a backup does.
func (l *memoryLog) restore(position int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.tail() > position {
		l.events = l.events[:len(l.events)-1]
	}
	l.last = l.tail()
}

// newEpoch begins a new epoch at the head.
func (l *memoryLog) newEpoch(number int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs = append(l.epochs, Epoch{number, l.tail()})
}

func (l *memoryLog) setBroken(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

func (l *memoryLog) replays() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

// want returns the cursors that a reader of the topics must get after a position.
func (l *memoryLog) want(after int64, topics ...Topic) []Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	var cursors []Cursor
	for _, e := range l.events {
		if e.Cursor.Position > after && slices.Contains(topics, e.Topic) {
			cursors = append(cursors, e.Cursor)
		}
	}
	return cursors
}

// A padded log replaces the data of each event, to make it larger.
type padded struct {
	*memoryLog
	data Data
}

func (p padded) Read(ctx context.Context, q Query) (Batch, error) {
	batch, err := p.memoryLog.Read(ctx, q)
	for i := range batch.Events {
		batch.Events[i].Data = p.data
	}
	return batch, err
}

func large(n int) Data { return Data{[]byte(`"` + strings.Repeat("x", n) + `"`)} }

func TestStateJudgesCursors(t *testing.T) {
	t.Parallel()

	state := State{Head: 500, Floor: 100, Epochs: []Epoch{{1, 0}, {5, 300}, {9, 400}}}
	for _, c := range []struct {
		cursor Cursor
		want   GapReason // "" when it resumes
	}{
		{Cursor{9, 500}, ""},
		{Cursor{9, 401}, ""},
		{Cursor{9, 501}, GapRestored}, // from the future
		{Cursor{1, 300}, ""},          // the last of its epoch
		{Cursor{1, 301}, GapRestored}, // lost in the promotion
		{Cursor{5, 400}, ""},
		{Cursor{5, 401}, GapRestored},
		{Cursor{1, 100}, ""}, // the reader has the floor itself
		{Cursor{1, 99}, GapExpired},
		{Cursor{2, 1}, GapRestored}, // there is no such epoch
		{Cursor{10, 1}, GapRestored},
	} {
		gap := state.Judge(c.cursor)
		switch {
		case c.want == "" && gap != nil:
			t.Errorf("%v: %v, want no gap", c.cursor, gap)
		case c.want != "" && (gap == nil || gap.Reason != c.want || gap.Resumed != Cursor{9, 500} || gap.From != c.cursor):
			t.Errorf("%v: %v, want %s", c.cursor, gap, c.want)
		}
	}
	for position, epoch := range map[int64]int64{0: 1, 1: 1, 300: 1, 301: 5, 400: 5, 401: 9, 500: 9} {
		if got := state.Cursor(position); got != (Cursor{epoch, position}) {
			t.Errorf("cursor of %d is %v, want epoch %d", position, got, epoch)
		}
	}
}
