package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// writesReports returns one report per value: so many comments a second, and CPU time
// of the server unless it is 0.
func writesReports(perSecond []float64, micros float64) (reports []*Report) {
	for _, v := range perSecond {
		w := Writes{Posts: 1, PerSecond: v}
		if micros > 0 {
			w.Cost.Server = &CPU{MicrosEach: micros}
		}
		reports = append(reports, &Report{Writes: []Writes{w}})
	}
	return reports
}

func TestCompare_DividesMedians(t *testing.T) {
	t.Parallel()
	all := compareFigures(writesReports([]float64{100, 300, 200}, 6), writesReports([]float64{50, 100, 400}, 4))
	streamtest.Want(t, "the first figure", all[0], Compared{
		Name:       "writes, one post: comments/s",
		This:       Spread{Median: 200, Min: 100, Max: 300, Rounds: []float64{100, 300, 200}},
		Against:    Spread{Median: 100, Min: 50, Max: 400, Rounds: []float64{50, 100, 400}},
		Ratio:      2,
		RoundRatio: 2, // of 2, 3 and 0.5
	})
	last := all[len(all)-1]
	streamtest.Want(t, "the last figure", last.Name, "writes, one post: CPU of server, µs per comment")
	streamtest.Want(t, "its ratio", last.Ratio, 1.5)
}

func TestCompare_LeavesOutFiguresThatOneProgramLacks(t *testing.T) {
	t.Parallel()
	for _, f := range compareFigures(writesReports([]float64{1}, 6), writesReports([]float64{1}, 0)) {
		if strings.Contains(f.Name, "CPU") {
			t.Errorf("%q has no value of the other program", f.Name)
		}
	}
}

func TestFigures_IncludeEachSectionThatCanBeCompared(t *testing.T) {
	t.Parallel()
	r := &Report{
		Latency: &Latency{}, Writes: []Writes{{Posts: 2}, {Posts: 1}}, Likes: &Likes{},
		Lists:  &Lists{Each: []ListTimes{{Lists: []ListTime{{Name: "first"}}}}},
		Fanout: &Fanout{Memory: &Memory{PerReader: 3}}, Storm: &Storm{}, Churn: &Churn{}, Presence: &Presence{},
	}
	names := map[string]float64{}
	for _, f := range r.figures() {
		if _, twice := names[f.name]; twice {
			t.Errorf("two figures have the name %q", f.name)
		}
		names[f.name] = f.value
	}
	for _, s := range sections {
		has := false
		for name := range names {
			has = has || strings.HasPrefix(name, s.name)
		}
		streamtest.Want(t, "figures of "+s.name, has, s.standalone == nil)
	}
	streamtest.Want(t, "memory", names["fanout: server's memory, KB per idle reader"], 3)
}

func TestComparison_PrintsAndEncodesItsFigures(t *testing.T) {
	t.Parallel()
	c := &Comparison{Rounds: 3, Figures: compareFigures(writesReports([]float64{100}, 0), writesReports([]float64{50}, 0))}
	var text bytes.Buffer
	c.print(newPrinter(&text, io.Discard))
	for _, part := range []string{"medians of 3 rounds", "comments/s", "100 (100 – 100)", "50 (50 – 50)", "2.000 ×"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %q in\n%s", part, text.String())
		}
	}
	encoded, err := json.Marshal(c)
	streamtest.Must(t, err)
	if part := `"against":{"median":50,"min":50,"max":50,"rounds":[50]},"ratio":2`; !strings.Contains(string(encoded), part) {
		t.Errorf("no %s in %s", part, encoded)
	}
}

func TestComparison_FailsIfEitherProgramLosesEvents(t *testing.T) {
	t.Parallel()
	lossy := []*Report{{Writes: []Writes{{Failed: 2, Faults: Faults{Lost: 1}}}}}
	var this, against Comparison
	streamtest.Must(t, this.Verdict())
	this.This.count(lossy)
	against.Against.count(lossy)
	streamtest.WantErr(t, this.Verdict(), ErrFaults)
	streamtest.WantErr(t, against.Verdict(), ErrFaults)
	streamtest.Want(t, "failed requests", this.This.Failed, 2)
}

func TestMedianOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{9, 1, 3}, 3}, {[]float64{4, 1, 2, 3}, 2.5}, {[]float64{7}, 7}} {
		streamtest.Want(t, "the median", medianOf(tt.values), tt.want)
	}
}
