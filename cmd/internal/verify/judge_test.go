package verify

import (
	"testing"

	"github.com/tidings-live/tidings/stream"
)

// A scene is a log written by hand, and a reader of post:a and user:ann whose steps
// are made up.
type scene struct {
	*court
	trail *trail
	facts map[int64]fact
	last  int64 // position
}

func newScene() *scene {
	s := &scene{court: newCourt(newLedger(), &tally{}), facts: make(map[int64]fact)}
	s.trail = s.admit("reader", []string{"post:a", "user:ann"})
	s.trail.add(step{kind: began, cursor: at(0)})
	return s
}

func at(position int64) stream.Cursor { return stream.Cursor{Epoch: 1, Position: position} }

// log writes an event and returns its position.
func (s *scene) log(topic, name, data string) int64 {
	s.last++
	f := factOf(topic, name, []byte(data))
	s.truth.add(s.last, f)
	s.truth.through = s.last
	s.facts[s.last] = f
	return s.last
}

// notes writes so many events to post:a.
func (s *scene) notes(count int) {
	for range count {
		s.log("post:a", nameNote, `{"to":"post:a"}`)
	}
}

// sees has the reader get events of the log.
func (s *scene) sees(positions ...int64) {
	for _, p := range positions {
		s.trail.add(step{kind: arrived, cursor: at(p), fact: s.facts[p]})
	}
}

func (s *scene) gap(from, resumed int64, reason stream.GapReason) {
	s.trail.add(step{kind: skipped, from: at(from), cursor: at(resumed), reason: string(reason)})
}

// verdict is what the judge makes of it, in one hearing or, for there must be no
// difference, in as many as there are steps.
func (s *scene) verdict(floor int64, hearings bool) Faults {
	j, steps := s.judges[0], s.trail.take()
	v := view{through: s.truth.through, floor: floor, readAt: 1}
	if hearings {
		for _, one := range steps {
			j.hear([]step{one}, v)
			s.truth.forget(s.slowest())
		}
		steps = nil
	}
	v.final = true
	j.hear(steps, v)
	j.close()
	faults, _ := s.tally.sum()
	return faults
}

const (
	count1 = `{"postId":"a","count":1}`
	count2 = `{"postId":"a","count":2}`
)

// judgeTests are what may happen to a reader, and what it is.
var judgeTests = []struct {
	name  string
	play  func(*scene)
	floor int64
	want  Faults
}{
	{"AllInOrder", func(s *scene) { s.notes(4); s.sees(1, 2, 3, 4) }, 0, Faults{}},
	{"OneLost", func(s *scene) { s.notes(4); s.sees(1, 3, 4) }, 0, Faults{Lost: 1, SilentGaps: 1}},
	{"TwoHoles", func(s *scene) { s.notes(7); s.sees(1, 4, 5, 7) }, 0, Faults{Lost: 3, SilentGaps: 2}},
	{"TheEndLost", func(s *scene) { s.notes(4); s.sees(1, 2) }, 0, Faults{Lost: 2}},
	{"Doubled", func(s *scene) { s.notes(3); s.sees(1, 2, 2, 3) }, 0, Faults{Duplicated: 1}},
	{"DoubledLater", func(s *scene) { s.notes(3); s.sees(1, 2, 3, 1) }, 0, Faults{Duplicated: 1}},
	{"Swapped", func(s *scene) { s.notes(4); s.sees(1, 3, 2, 4) }, 0, Faults{Reordered: 1}},
	{"AnothersTopic", func(s *scene) {
		s.log("user:bob", "notification", `{"id":"1"}`)
		s.notes(1)
		s.sees(1, 2)
	}, 0, Faults{Leaked: 1}},
	{"AnothersEventOnAnOpenTopic", func(s *scene) {
		s.log("post:a", nameNote, `{"to":"user:bob"}`)
		s.notes(1)
		s.sees(1, 2)
	}, 0, Faults{Leaked: 1, Lost: 1, SilentGaps: 1}},
	{"CursorPassesAnEvent", func(s *scene) {
		s.notes(3)
		s.sees(1)
		s.trail.add(step{kind: moved, cursor: at(2)})
		s.sees(3)
	}, 0, Faults{Lost: 1, SilentGaps: 1}},
	{"CursorGoesBack", func(s *scene) {
		s.notes(2)
		s.sees(1, 2)
		s.trail.add(step{kind: moved, cursor: at(1)})
	}, 0, Faults{Reordered: 1}},
	{"OlderEpoch", func(s *scene) {
		s.notes(2)
		s.trail.add(step{kind: arrived, cursor: stream.Cursor{Epoch: 2, Position: 1}, fact: s.facts[1]})
		s.sees(2)
	}, 0, Faults{Reordered: 1}},
	{"AnnouncedGap", func(s *scene) { s.notes(6); s.sees(1); s.gap(1, 5, "expired"); s.sees(6) }, 3, Faults{}},
	{"SkipsBeforeTheGap", func(s *scene) { s.notes(6); s.sees(1); s.gap(3, 5, "expired"); s.sees(6) }, 4, Faults{Lost: 2, SilentGaps: 1}},
	{"SkipsPastTheGap", func(s *scene) { s.notes(7); s.sees(1); s.gap(1, 5, "expired"); s.sees(7) }, 3, Faults{Lost: 1, SilentGaps: 1}},
	{"OlderThanTheGap", func(s *scene) { s.notes(6); s.sees(1); s.gap(1, 5, "expired"); s.sees(4, 6) }, 3, Faults{Reordered: 1}},
	{"GapWithoutNeed", func(s *scene) { s.notes(6); s.sees(1); s.gap(1, 5, "expired"); s.sees(6) }, 1, Faults{NeedlessGaps: 1}},
	{"GapFromWhereNobodyIs", func(s *scene) { s.notes(10); s.sees(1, 2, 3, 4, 5, 6); s.gap(0, 10, "expired") }, 3, Faults{NeedlessGaps: 1}},
	{"RestoredWithoutNeed", func(s *scene) { s.notes(6); s.sees(1); s.gap(1, 5, "restored"); s.sees(6) }, 3, Faults{NeedlessGaps: 1}},
	{"NewestCountAlone", func(s *scene) {
		s.log("post:a", "comment-count", count1)
		s.log("post:a", "comment-count", count2)
		s.notes(1)
		s.sees(2, 3)
	}, 0, Faults{}},
	{"NewestCountInAGap", func(s *scene) {
		s.log("post:a", "comment-count", count1)
		s.notes(1)
		s.log("post:a", "comment-count", count2)
		s.notes(1)
		s.sees(2)
		s.gap(2, 3, "expired")
		s.sees(4)
	}, 3, Faults{}},
	{"NewestCountLost", func(s *scene) {
		s.log("post:a", "comment-count", count1)
		s.log("post:a", "comment-count", count2)
		s.notes(1)
		s.sees(1, 3)
	}, 0, Faults{Lost: 1}},
	{"AnotherCountIsNoNewer", func(s *scene) {
		s.log("post:a", "like-update", count1)
		s.log("post:a", "like-update", `{"postId":"a","commentId":"7","count":2}`)
		s.sees(2)
	}, 0, Faults{Lost: 1}},
	{"CountGoesBack", func(s *scene) {
		s.log("post:a", "comment-count", count1)
		s.log("post:a", "comment-count", count2)
		s.sees(2, 1)
	}, 0, Faults{Reordered: 1}},
	{"CountDoubled", func(s *scene) { s.log("post:a", "comment-count", count1); s.sees(1, 1) }, 0, Faults{Duplicated: 1}},
	{"NeverWritten", func(s *scene) {
		s.notes(1)
		s.trail.add(step{kind: arrived, cursor: at(9), fact: s.facts[1]})
		s.sees(1)
	}, 0, Faults{Invented: 1}},
	{"Altered", func(s *scene) {
		s.notes(2)
		s.trail.add(step{kind: arrived, cursor: at(1), fact: factOf("post:a", nameNote, []byte(`{"n":5}`))})
		s.sees(2)
	}, 0, Faults{Invented: 1, Lost: 1, SilentGaps: 1}},
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range judgeTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, hearings := range []bool{false, true} {
				s := newScene()
				tt.play(s)
				if got := s.verdict(tt.floor, hearings); got != tt.want {
					_, notes := s.tally.sum()
					t.Errorf("hearings %v: got %+v\nwant %+v\n%q", hearings, got, tt.want, notes)
				}
			}
		})
	}
}

func TestJudgeWaitsForTheTruth(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.notes(1)
	s.facts[2] = factOf("post:a", nameNote, []byte(`{"to":"post:a"}`))
	s.sees(1, 2) // the second is ahead of the recorder
	s.hear(view{through: 1})
	s.notes(1)
	s.hear(view{through: 2})
	if faults, notes := s.tally.sum(); faults.Any() || s.judges[0].delivered != 2 {
		t.Errorf("%d delivered, %+v %q", s.judges[0].delivered, faults, notes)
	}
}
