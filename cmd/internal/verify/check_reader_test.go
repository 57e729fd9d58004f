package verify

import (
	"testing"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A scene is a log and one reader of post:a and user:ann. The test writes the log and
// makes up the steps of the reader.
type scene struct {
	*checker
	trace  *trace
	events map[int64]summary
	last   int64 // position
}

func newScene() *scene {
	s := &scene{checker: newChecker(newWriteLog(), &findings{}), events: make(map[int64]summary)}
	s.trace = s.addReader("reader", []string{"post:a", "user:ann"})
	s.trace.add(step{kind: started, cursor: at(0)})
	return s
}

func at(position int64) stream.Cursor { return stream.Cursor{Epoch: 1, Position: position} }

// write appends an event to the log.
func (s *scene) write(topic, name, data string) {
	s.last++
	e := summarize(topic, name, []byte(data))
	s.log.add(s.last, e)
	s.log.through = s.last
	s.events[s.last] = e
}

// notes appends count events of post:a.
func (s *scene) notes(count int) {
	for range count {
		s.write("post:a", nameNote, `{"to":"post:a"}`)
	}
}

// gets adds the events at the positions to the trace of the reader.
func (s *scene) gets(positions ...int64) {
	for _, p := range positions {
		s.trace.add(step{kind: received, cursor: at(p), event: s.events[p]})
	}
}

func (s *scene) gap(from, resumed int64, reason stream.GapReason) {
	s.trace.add(step{kind: gapAnnounced, from: at(from), cursor: at(resumed), reason: string(reason)})
}

// check returns the faults of the reader. It checks all steps at once or, if oneByOne
// is true, each of them by itself, which must give the same.
func (s *scene) check(floor int64, oneByOne bool) Faults {
	r, steps := s.readers[0], s.trace.take()
	e := extent{through: s.log.through, floor: floor, readAt: 1}
	if oneByOne {
		for _, one := range steps {
			r.check([]step{one}, e)
			s.log.discard(s.slowest())
		}
		steps = nil
	}
	e.final = true
	r.check(steps, e)
	r.finish()
	faults, _ := s.findings.sum()
	return faults
}

const (
	count1 = `{"postId":"a","count":1}`
	count2 = `{"postId":"a","count":2}`
)

// readerTests are the things that may happen to a reader, and the faults that they are.
var readerTests = []struct {
	name  string
	play  func(*scene)
	floor int64
	want  Faults
}{
	{"GetsAllInOrder", func(s *scene) { s.notes(4); s.gets(1, 2, 3, 4) }, 0, Faults{}},
	{"MissesOne", func(s *scene) { s.notes(4); s.gets(1, 3, 4) }, 0, Faults{Lost: 1, SilentGaps: 1}},
	{"MissesSomeTwice", func(s *scene) { s.notes(7); s.gets(1, 4, 5, 7) }, 0, Faults{Lost: 3, SilentGaps: 2}},
	{"MissesTheEnd", func(s *scene) { s.notes(4); s.gets(1, 2) }, 0, Faults{Lost: 2}},
	{"GetsOneTwiceInARow", func(s *scene) { s.notes(3); s.gets(1, 2, 2, 3) }, 0, Faults{Duplicated: 1}},
	{"GetsOneAgainLater", func(s *scene) { s.notes(3); s.gets(1, 2, 3, 1) }, 0, Faults{Duplicated: 1}},
	{"GetsTwoInTheWrongOrder", func(s *scene) { s.notes(4); s.gets(1, 3, 2, 4) }, 0, Faults{Reordered: 1}},
	{"GetsAnotherUsersTopic", func(s *scene) {
		s.write("user:bob", "notification", `{"id":"1"}`)
		s.notes(1)
		s.gets(1, 2)
	}, 0, Faults{Leaked: 1}},
	{"GetsAnotherUsersEventOnAPublicTopic", func(s *scene) {
		s.write("post:a", nameNote, `{"to":"user:bob"}`)
		s.notes(1)
		s.gets(1, 2)
	}, 0, Faults{Leaked: 1, Lost: 1, SilentGaps: 1}},
	{"CursorPassesAnEvent", func(s *scene) {
		s.notes(3)
		s.gets(1)
		s.trace.add(step{kind: advanced, cursor: at(2)})
		s.gets(3)
	}, 0, Faults{Lost: 1, SilentGaps: 1}},
	{"CursorGoesBack", func(s *scene) {
		s.notes(2)
		s.gets(1, 2)
		s.trace.add(step{kind: advanced, cursor: at(1)})
	}, 0, Faults{Reordered: 1}},
	{"EpochGoesBack", func(s *scene) {
		s.notes(2)
		s.trace.add(step{kind: received, cursor: stream.Cursor{Epoch: 2, Position: 1}, event: s.events[1]})
		s.gets(2)
	}, 0, Faults{Reordered: 1}},
	{"AnnouncedGap", func(s *scene) { s.notes(6); s.gets(1); s.gap(1, 5, "expired"); s.gets(6) }, 3, Faults{}},
	{"MissesOnesBeforeTheGap", func(s *scene) { s.notes(6); s.gets(1); s.gap(3, 5, "expired"); s.gets(6) }, 4, Faults{Lost: 2, SilentGaps: 1}},
	{"MissesOneAfterTheGap", func(s *scene) { s.notes(7); s.gets(1); s.gap(1, 5, "expired"); s.gets(7) }, 3, Faults{Lost: 1, SilentGaps: 1}},
	{"GetsOneFromInsideTheGap", func(s *scene) { s.notes(6); s.gets(1); s.gap(1, 5, "expired"); s.gets(4, 6) }, 3, Faults{Reordered: 1}},
	{"NeedlessGap", func(s *scene) { s.notes(6); s.gets(1); s.gap(1, 5, "expired"); s.gets(6) }, 1, Faults{NeedlessGaps: 1}},
	{"NeedlessGapFromAnotherCursor", func(s *scene) { s.notes(10); s.gets(1, 2, 3, 4, 5, 6); s.gap(0, 10, "expired") }, 3, Faults{NeedlessGaps: 1}},
	{"NeedlessRestoredGap", func(s *scene) { s.notes(6); s.gets(1); s.gap(1, 5, "restored"); s.gets(6) }, 3, Faults{NeedlessGaps: 1}},
	{"GetsOnlyTheNewestCount", func(s *scene) {
		s.write("post:a", "comment-count", count1)
		s.write("post:a", "comment-count", count2)
		s.notes(1)
		s.gets(2, 3)
	}, 0, Faults{}},
	{"MissesTheNewestCountInAGap", func(s *scene) {
		s.write("post:a", "comment-count", count1)
		s.notes(1)
		s.write("post:a", "comment-count", count2)
		s.notes(1)
		s.gets(2)
		s.gap(2, 3, "expired")
		s.gets(4)
	}, 3, Faults{}},
	{"MissesTheNewestCount", func(s *scene) {
		s.write("post:a", "comment-count", count1)
		s.write("post:a", "comment-count", count2)
		s.notes(1)
		s.gets(1, 3)
	}, 0, Faults{Lost: 1}},
	{"GetsTheCountOfAnotherTarget", func(s *scene) {
		s.write("post:a", "like-update", count1)
		s.write("post:a", "like-update", `{"postId":"a","commentId":"7","count":2}`)
		s.gets(2)
	}, 0, Faults{Lost: 1}},
	{"CountGoesBack", func(s *scene) {
		s.write("post:a", "comment-count", count1)
		s.write("post:a", "comment-count", count2)
		s.gets(2, 1)
	}, 0, Faults{Reordered: 1}},
	{"GetsACountTwice", func(s *scene) { s.write("post:a", "comment-count", count1); s.gets(1, 1) }, 0, Faults{Duplicated: 1}},
	{"GetsAnEventThatIsNotInTheLog", func(s *scene) {
		s.notes(1)
		s.trace.add(step{kind: received, cursor: at(9), event: s.events[1]})
		s.gets(1)
	}, 0, Faults{Invented: 1}},
	{"GetsAnEventWithOtherContent", func(s *scene) {
		s.notes(2)
		s.trace.add(step{kind: received, cursor: at(1), event: summarize("post:a", nameNote, []byte(`{"n":5}`))})
		s.gets(2)
	}, 0, Faults{Invented: 1, Lost: 1, SilentGaps: 1}},
}

func TestReaderCheck_FindsEachKindOfFault(t *testing.T) {
	t.Parallel()
	for _, tt := range readerTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, oneByOne := range []bool{false, true} {
				s := newScene()
				tt.play(s)
				if got := s.check(tt.floor, oneByOne); got != tt.want {
					_, notes := s.findings.sum()
					t.Errorf("one by one %v: got %+v\nwant %+v\n%q", oneByOne, got, tt.want, notes)
				}
			}
		})
	}
}

func TestReaderCheck_WaitsForTheLogCopy(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.notes(1)
	s.events[2] = summarize("post:a", nameNote, []byte(`{"to":"post:a"}`))
	s.gets(1, 2) // the second is not in the log copy yet
	s.checkReaders(extent{through: 1})
	streamtest.Want(t, "the events checked", s.readers[0].delivered, 1)
	s.notes(1)
	s.checkReaders(extent{through: 2})
	streamtest.Want(t, "the events checked", s.readers[0].delivered, 2)
	if faults, notes := s.findings.sum(); faults.Any() {
		t.Errorf("found %+v %q", faults, notes)
	}
}
