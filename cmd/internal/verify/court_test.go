package verify

import (
	"testing"
	"time"
)

// saw is what readers without a database saw of post:a, by position and write.
type saw map[int64]int64

// trials are runs without a database: what became of the writes, what each reader saw,
// and what that is.
var trials = []struct {
	name    string
	fates   []fate // of writes 1, 2, …
	readers []saw
	want    Faults
}{
	{"AllAlike", []fate{acknowledged, acknowledged}, []saw{{1: 1, 2: 2}, {1: 1, 2: 2}}, Faults{}},
	{"OneReaderMissesOne", []fate{acknowledged, acknowledged}, []saw{{1: 1, 2: 2}, {2: 2}}, Faults{Lost: 1, SilentGaps: 1}},
	{"OneReaderMissesTheLast", []fate{acknowledged, acknowledged}, []saw{{1: 1, 2: 2}, {1: 1}}, Faults{Lost: 1}},
	{"NobodySawAnAcknowledgedWrite", []fate{acknowledged, acknowledged}, []saw{{2: 2}, {2: 2}}, Faults{Lost: 1}},
	{"AWriteIsThereTwice", []fate{acknowledged}, []saw{{1: 1, 2: 1}, {1: 1, 2: 1}}, Faults{Duplicated: 1}},
	{"ARefusedWriteIsThere", []fate{refused}, []saw{{1: 1}}, Faults{Invented: 1}},
	{"ARolledBackWriteIsThere", []fate{takenBack}, []saw{{1: 1}}, Faults{Invented: 1}},
	{"NobodyKnowsOfAnUnansweredWrite", []fate{unanswered, acknowledged, unanswered}, []saw{{1: 1, 2: 2}}, Faults{}},
	{"NotEvenItMayBeThereTwice", []fate{unanswered}, []saw{{1: 1, 2: 1}}, Faults{Duplicated: 1}},
}

func TestCourtWithoutDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range trials {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCourt(newLedger(), &tally{})
			for _, f := range tt.fates {
				c.ledger.answered(f, c.ledger.begin())
			}
			for i, seen := range tt.readers {
				trail := c.admit(string(rune('A'+i)), []string{"post:a"})
				trail.add(step{kind: began, cursor: at(0)})
				for p := range int64(10) {
					if n, ok := seen[p]; ok {
						trail.add(step{kind: arrived, cursor: at(p), fact: fact{topic: "post:a", name: nameNote, digest: uint64(n), n: n}})
					}
				}
			}
			if err := c.close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, notes := c.tally.sum(); got != tt.want {
				t.Errorf("got %+v\nwant %+v\n%q", got, tt.want, notes)
			}
		})
	}
}

func TestCourtNoticesReadersWhoContradictEachOther(t *testing.T) {
	t.Parallel()
	c := newCourt(newLedger(), &tally{})
	for digest := range uint64(2) {
		trail := c.admit("reader", []string{"post:a"})
		trail.add(step{kind: began, cursor: at(0)})
		trail.add(step{kind: arrived, cursor: at(1), fact: fact{topic: "post:a", name: nameNote, digest: digest}})
	}
	if err := c.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if faults, _ := c.tally.sum(); faults.Invented == 0 {
		t.Errorf("got %+v", faults)
	}
}

func TestRecorderComparesWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := &recorder{positions: []int64{3, 5, 6, 9}}
	late, gone := r.compare([]int64{6, 7, 8}, 4) // 3 is below the floor
	if late != 2 || gone != 2 {
		t.Errorf("got %d late and %d gone, want 7 and 8, 5 and 9", late, gone)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := &histogram{}
	if got := h.latency(); got != (Latency{}) {
		t.Errorf("of nothing: %+v", got)
	}
	for i := range 1000 {
		h.add(int64(time.Duration(i+1) * time.Millisecond))
	}
	for p, want := range map[float64]float64{50: 500, 99: 990, 100: 1000} {
		if got := float64(h.percentile(p).Milliseconds()); got < want*0.98 || got > want*1.03 {
			t.Errorf("p%v: got %v ms, want about %v", p, got, want)
		}
	}
	if h.max != int64(time.Second) {
		t.Errorf("max %v", time.Duration(h.max))
	}
}

func TestNumbersInBodies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{body(17): 17, "verify": 0, "verify x": 0, "": 0, "hello 3": 0} {
		if got := bodyNumber(text); got != want {
			t.Errorf("%q: got %d", text, got)
		}
	}
}
