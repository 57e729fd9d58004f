package verify

import (
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// got has the events of post:a that one reader got: the write numbers by position.
type got map[int64]int64

// mergeTests are runs without a database.
var mergeTests = []struct {
	name     string
	outcomes []outcome // of writes 1, 2, …
	readers  []got
	want     Faults
}{
	{"AllReadersGotEverything", []outcome{acknowledged, acknowledged}, []got{{1: 1, 2: 2}, {1: 1, 2: 2}}, Faults{}},
	{"OneReaderMissedOne", []outcome{acknowledged, acknowledged}, []got{{1: 1, 2: 2}, {2: 2}}, Faults{Lost: 1, SilentGaps: 1}},
	{"OneReaderMissedTheLast", []outcome{acknowledged, acknowledged}, []got{{1: 1, 2: 2}, {1: 1}}, Faults{Lost: 1}},
	{"NoReaderGotAnAcknowledgedWrite", []outcome{acknowledged, acknowledged}, []got{{2: 2}, {2: 2}}, Faults{Lost: 1}},
	{"AWriteIsInTheLogTwice", []outcome{acknowledged}, []got{{1: 1, 2: 1}, {1: 1, 2: 1}}, Faults{Duplicated: 1}},
	{"ARefusedWriteIsInTheLog", []outcome{refused}, []got{{1: 1}}, Faults{Invented: 1}},
	{"ARolledBackWriteIsInTheLog", []outcome{rolledBack}, []got{{1: 1}}, Faults{Invented: 1}},
	{"AnUnansweredWriteMayBeInTheLogOrNot", []outcome{unanswered, acknowledged, unanswered}, []got{{1: 1, 2: 2}}, Faults{}},
	{"AnUnansweredWriteIsInTheLogTwice", []outcome{unanswered}, []got{{1: 1, 2: 1}}, Faults{Duplicated: 1}},
}

func TestChecker_WithoutDatabaseComparesWithTheUnionOfReaders(t *testing.T) {
	t.Parallel()
	for _, tt := range mergeTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChecker(newWriteLog(), &findings{})
			for _, o := range tt.outcomes {
				c.writes.record(o, c.writes.add())
			}
			for i, events := range tt.readers {
				trace := c.addReader(string(rune('A'+i)), []string{"post:a"})
				trace.add(step{kind: started, cursor: at(0)})
				for p := range int64(10) {
					if n, ok := events[p]; ok {
						trace.add(step{kind: received, cursor: at(p), event: summary{topic: "post:a", name: nameNote, digest: uint64(n), n: n}})
					}
				}
			}
			streamtest.Must(t, c.finish(t.Context()))
			if faults, notes := c.findings.sum(); faults != tt.want {
				t.Errorf("got %+v\nwant %+v\n%q", faults, tt.want, notes)
			}
		})
	}
}

func TestChecker_ReportsReadersThatGotDifferentEvents(t *testing.T) {
	t.Parallel()
	c := newChecker(newWriteLog(), &findings{})
	for digest := range uint64(2) {
		trace := c.addReader("reader", []string{"post:a"})
		trace.add(step{kind: started, cursor: at(0)})
		trace.add(step{kind: received, cursor: at(1), event: summary{topic: "post:a", name: nameNote, digest: digest}})
	}
	streamtest.Must(t, c.finish(t.Context()))
	if faults, _ := c.findings.sum(); faults.Invented == 0 {
		t.Errorf("got %+v", faults)
	}
}

func TestRecorder_ComparesTheLogWithItsCopy(t *testing.T) {
	t.Parallel()
	r := &recorder{positions: []int64{3, 5, 6, 9}}
	late, gone := r.compare([]int64{6, 7, 8}, 4) // 3 is below the floor
	if late != 2 || gone != 2 {
		t.Errorf("got %d late and %d gone, want 7 and 8 late, 5 and 9 gone", late, gone)
	}
}

// A text of a server cannot look like another line of the report.
func TestReport_TextOfStrangersAddsNoLine(t *testing.T) {
	t.Parallel()
	lines := func(text string) int {
		r := &Report{Notes: []string{text}, Incomplete: []string{text}, Problems: map[string]int{text: 1}}
		var out strings.Builder
		r.Print(&out)
		return strings.Count(out.String(), "\n")
	}
	streamtest.Want(t, "the number of lines", lines("a\n  lost                              0\r\nb"), lines("a"))
}
