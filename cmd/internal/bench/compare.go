package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A Comparison holds the figures of two programs that were measured in turns.
type Comparison struct {
	Began   time.Time  `json:"began"`
	Machine *Machine   `json:"machine"`
	Rounds  int        `json:"rounds"`
	This    Program    `json:"this"`    // Config.Program
	Against Program    `json:"against"` // Config.Against
	Figures []Compared `json:"figures"`
}

// A Program is one of the two programs of a [Comparison].
type Program struct {
	Path   string `json:"path"`
	Failed int    `json:"failed"` // requests that failed, in all rounds
	Faults Faults `json:"faults"` // in all rounds
}

// Compared is one figure of both programs.
type Compared struct {
	Name    string `json:"name"` // ends with the unit
	This    Spread `json:"this"`
	Against Spread `json:"against"`
	// Ratio is the median of this program divided by the median of the other, 0 if the
	// latter is 0.
	Ratio float64 `json:"ratio"`
	// RoundRatio is the median of the ratios within a round. It depends less than Ratio
	// on how busy the machine was in each round.
	RoundRatio float64 `json:"roundRatio"`
}

// Spread describes one figure of one program over all rounds.
type Spread struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"` // in the order of measurement
}

// Compare measures the sections of c.Only for c.Program and c.Against in turns,
// c.Rounds times. In each round both programs begin with an empty database on a
// Postgres of their own, only one of them runs at a time, and the program that is
// measured first alternates. The load always comes from this process.
//
// The error is context.Canceled if ctx ended first. Lost, duplicated and reordered
// events are not an error of Compare: see [Comparison.Verdict].
func Compare(ctx context.Context, c Config) (*Comparison, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	out := newPrinter(c.Tables, c.Progress)
	result := &Comparison{
		Began: time.Now().UTC(), Rounds: c.Rounds, This: Program{Path: c.Program}, Against: Program{Path: c.Against},
	}
	var reports [2][]*Report
	for round := range c.Rounds {
		both, err := c.compareOnce(ctx, out, round)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		if result.Machine == nil {
			result.Machine = both[0].Machine
			out.machine(result.Machine)
		}
		reports[0], reports[1] = append(reports[0], both[0]), append(reports[1], both[1])
	}
	result.This.count(reports[0])
	result.Against.count(reports[1])
	result.Figures = compareFigures(reports[0], reports[1])
	result.print(out)
	return result, nil
}

// compareOnce measures both programs once, one section after another.
func (c Config) compareOnce(ctx context.Context, out printer, round int) (reports [2]*Report, err error) {
	var servers [2]*ownServer
	for i, program := range []string{c.Program, c.Against} {
		provider, err := newOwnServer(printer{io.Discard, out.progress}, program, c.Env, c.Readers+c.Audience)
		if err != nil {
			return reports, err
		}
		defer func() { err = errors.Join(err, provider.remove()) }()
		servers[i], reports[i] = provider, &Report{Began: time.Now().UTC()}
	}
	for _, s := range sections {
		if !slices.Contains(c.Only, s.name) {
			continue
		}
		for turn := range servers {
			i := (turn + round) % len(servers)
			out.logf("round %d of %d, %s of %s", round+1, c.Rounds, s.name, servers[i].program)
			if err := c.runSection(ctx, servers[i], s, reports[i]); err != nil {
				return reports, fmt.Errorf("%s: %s: %w", servers[i].program, s.name, err)
			}
		}
	}
	return reports, nil
}

// count adds up failures and faults.
func (p *Program) count(reports []*Report) {
	for _, r := range reports {
		p.Failed += r.failed()
		p.Faults.add(r.faults())
	}
}

// compareFigures returns the figures that are known in every round of both programs.
func compareFigures(this, against []*Report) (all []Compared) {
	ours, theirs := figuresByName(this), figuresByName(against)
	for _, f := range this[0].figures() {
		a, b := ours[f.name], theirs[f.name]
		if len(a) != len(this) || len(b) != len(against) {
			continue
		}
		ratios := make([]float64, len(a))
		for i := range a {
			ratios[i] = ratioOf(a[i], b[i])
		}
		c := Compared{Name: f.name, This: spreadOf(a), Against: spreadOf(b), RoundRatio: medianOf(ratios)}
		c.Ratio = ratioOf(c.This.Median, c.Against.Median)
		all = append(all, c)
	}
	return all
}

// figuresByName returns each figure's values in the order of the reports.
func figuresByName(reports []*Report) map[string][]float64 {
	values := map[string][]float64{}
	for _, r := range reports {
		for _, f := range r.figures() {
			values[f.name] = append(values[f.name], f.value)
		}
	}
	return values
}

// spreadOf returns the spread of at least one value.
func spreadOf(values []float64) Spread {
	return Spread{Median: medianOf(values), Min: slices.Min(values), Max: slices.Max(values), Rounds: values}
}

// Verdict returns [ErrFaults] if either program lost, duplicated or reordered events.
func (c *Comparison) Verdict() error {
	if c.This.Faults.any() || c.Against.Faults.any() {
		return ErrFaults
	}
	return nil
}

// print writes one row for each figure: this program, the other, and the ratios.
func (c *Comparison) print(out printer) {
	fmt.Fprintf(out.tables, "\nComparison: medians of %d rounds in turns, with the least and the greatest value\n", c.Rounds)
	for _, p := range []struct {
		name string
		Program
	}{{"this", c.This}, {"against", c.Against}} {
		out.line("%-8s %s: %d requests failed, %v", p.name, p.Path, p.Failed, p.Faults)
	}
	fmt.Fprintf(out.tables, "  %-58s %32s %32s %10s %12s\n", "", "this", "against", "ratio", "round ratio")
	for _, f := range c.Figures {
		fmt.Fprintf(out.tables, "  %-58s %32v %32v %8.3f × %10.3f ×\n", f.Name, f.This, f.Against, f.Ratio, f.RoundRatio)
	}
}

// String returns the median, the least and the greatest value.
func (s Spread) String() string {
	return fmt.Sprintf("%.4g (%.4g – %.4g)", s.Median, s.Min, s.Max)
}
