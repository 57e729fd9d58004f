package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The frames of these tests: "x3" is a lossless event at position 3, "a3" and "b3" are
// like-updates of two comments, "t" is an ephemeral event.
func frameOf(t *testing.T, text string) *Frame {
	t.Helper()
	e := Event{Topic: post42, Name: Name{"x"}, Data: MustData(text)}
	switch text[0] {
	case 't':
		e.Name = TypingName
		return NewFrame(e)
	case 'a', 'b':
		e.Name, e.Data = LikeUpdateName, MustData(map[string]string{"postId": "42", "commentId": text[:1]})
	}
	var position int64
	_, err := fmt.Sscan(text[1:], &position)
	streamtest.Must(t, err)
	e.Cursor = Cursor{1, position}
	return NewFrame(e)
}

// A backlogTest runs steps over a backlog: "push F", "release", "held F" (replaceHeld),
// "state F" (replaceState), "fill F…", "replay F…", "take N" and "clear".
type backlogTest struct {
	name  string
	all   bool
	steps []string
	taken string // what the takes returned, in order
	// released and held are the frames that are left in the backlog.
	released, held string
	dropped        int   // frames that were left out
	through        int64 // position of the last cursor that a take returned
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	for _, c := range []backlogTest{
		{name: "a pushed frame is held until it is released", steps: []string{"push x1", "take 9"}, held: "x1"},
		{name: "a release releases all", steps: []string{"push x1", "push x2", "release", "take 9"}, taken: "x1 x2", through: 2},
		{name: "a limit leaves the rest", steps: []string{"push x1", "push x2", "release", "take 1"}, taken: "x1", released: "x2", through: 1},
		{name: "held frames stay behind released ones", steps: []string{"push x1", "release", "push a2", "take 9"}, taken: "x1", held: "a2", through: 1},
		{name: "an ephemeral frame moves no cursor", steps: []string{"push x1", "push t", "release", "take 9"}, taken: "x1 t", through: 1},
		{name: "a later state drops an earlier one", steps: []string{"push a1", "push x2", "push a3", "release", "take 9"}, taken: "x2 a3", dropped: 1, through: 3},
		{name: "states of different targets are kept", steps: []string{"push a1", "push b2", "release", "take 9"}, taken: "a1 b2", through: 2},
		{name: "a state is kept if the later one is not taken with it", steps: []string{"push a1", "push a2", "release", "take 1"}, taken: "a1", released: "a2", through: 1},
		{name: "a poll gets every state", all: true, steps: []string{"push a1", "push a2", "release", "take 9"}, taken: "a1 a2", through: 2},
		{name: "a short replay gives every state", steps: []string{"replay a1 a2", "take 9"}, taken: "a1 a2", through: 2},
		{name: "a long replay is conflated", steps: []string{"fill a1 a2", "take 9"}, taken: "a2", dropped: 1, through: 2},
		{name: "after a short replay states are dropped again", steps: []string{"replay a1", "take 9", "push a2", "push a3", "release", "take 9"}, taken: "a1 a3", dropped: 1, through: 3},
		{name: "a held state is replaced", steps: []string{"push a1", "held a2"}, held: "a2"},
		{name: "a held state of another target is not replaced", steps: []string{"push a1", "held b2"}, held: "a1"},
		{name: "a released state is not replaced", steps: []string{"push a1", "release", "held a2"}, released: "a1"},
		{name: "only the last held state is replaced", steps: []string{"push a1", "push x2", "held a3"}, held: "a1 x2"},
		{name: "nothing is replaced in an empty backlog", steps: []string{"held a1", "state t"}},
		{name: "a poll's held state is not replaced", all: true, steps: []string{"push a1", "held a2"}, held: "a1"},
		{name: "an ephemeral state is replaced in its place", steps: []string{"push t", "push x1", "state t"}, held: "t x1"},
		{name: "clear removes all", steps: []string{"push x1", "release", "clear", "take 9"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c backlogTest) run(t *testing.T) {
	b := backlog{all: c.all}
	newest := make(latest)
	names := make(map[*Frame]string)
	frame := func(text string) *Frame {
		f := frameOf(t, text)
		newest.add(f)
		names[f] = text
		return f
	}
	join := func(frames []*Frame) string {
		var all []string
		for _, f := range frames {
			all = append(all, names[f])
		}
		return strings.Join(all, " ")
	}
	var taken []*Frame
	var through int64
	dropped := 0
	for _, step := range c.steps {
		words := strings.Fields(step)
		switch words[0] {
		case "push":
			b.push(frame(words[1]))
		case "release":
			b.release()
		case "held":
			b.replaceHeld(frame(words[1]))
		case "state":
			b.replaceState(frame(words[1]))
		case "fill", "replay":
			var frames []*Frame
			for _, text := range words[1:] {
				frames = append(frames, frame(text))
			}
			b.fill(frames, words[0] == "replay")
		case "take":
			var at Cursor
			var n, limit int
			_, err := fmt.Sscan(words[1], &limit)
			streamtest.Must(t, err)
			taken, at, n = b.take(taken, limit, Unlimited)
			dropped, through = dropped+n, max(through, at.Position)
		case "clear":
			b.clear()
		}
	}
	streamtest.Want(t, "taken", join(taken), c.taken)
	streamtest.Want(t, "released and left", join(b.frames[:b.released]), c.released)
	streamtest.Want(t, "held and left", join(b.frames[b.released:]), c.held)
	streamtest.Want(t, "dropped", dropped, c.dropped)
	streamtest.Want(t, "through", through, c.through)
	size := 0
	for _, f := range b.frames {
		size += f.size
	}
	streamtest.Want(t, "bytes", b.bytes, size)
}

func TestBacklogBounds(t *testing.T) {
	t.Parallel()

	huge := NewFrame(Event{Cursor: Cursor{1, 1}, Topic: post42, Name: Name{"x"}, Data: large(chunkBytes)})
	small := frameOf(t, "x2")
	var b backlog
	streamtest.Want(t, "an empty backlog is full for a large frame", b.full(huge, 9), false)
	b.push(huge)
	streamtest.Want(t, "a backlog of one large frame is full", b.full(small, 9), true)
	b.push(small)
	b.release()
	taken, _, _ := b.take(nil, 9, 1)
	streamtest.Want(t, "frames that fit into one byte", len(taken), 1)

	b = backlog{}
	for range 3 {
		b.push(small)
	}
	streamtest.Want(t, "a backlog of three is full for three", b.full(small, 3), true)
	streamtest.Want(t, "a backlog of three is full for four", b.full(small, 4), false)
}

// A backlog that is filled with an array that others share never writes to it.
func TestBacklogLeavesSharedFramesAlone(t *testing.T) {
	t.Parallel()

	shared := []*Frame{frameOf(t, "x1"), frameOf(t, "x2")}
	before := slices.Clone(shared)
	var b backlog
	b.fill(shared[:1:1], true)
	b.push(frameOf(t, "x9"))
	b.release()
	b.take(nil, 9, Unlimited)
	b.push(frameOf(t, "x9"))
	if !slices.Equal(shared, before) {
		t.Error("the shared array has changed")
	}
}
