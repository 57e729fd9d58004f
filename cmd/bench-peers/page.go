package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// A page shows the figures of a run.
type page struct {
	began   time.Time
	machine bench.Machine
	rounds  int
	scale   float64
	peers   []described // in the order of the tables; the first is held against all
	cells   []cell
	rows    []row
}

type described struct{ name, about string }

const pageHead = `# Benchmarks

<!-- Written by "make bench-peers": change cmd/tidings/bench/peers, not this page. -->

Tidings beside its peers and beside the floor, a program that only writes: in one run,
on one machine, read by the same readers. To run it again (it installs what is missing,
by this machine's package manager and npm, and takes some minutes):

    make bench-peers

`

const pageHow = `
- Every server has just begun, and is alone: a cell is measured of one after another, in
  %s, each round through all of them. Shown are medians over the rounds.
  Ratios are the median of those within a round: the machine is quicker at one time than
  at another, and so are all who run on it then.
- Readers, publishers, server and database share the machine's cores: absolute figures
  would be better with a client of its own, ratios much the same.
- The readers of one process take all connections by epoll. For Tidings, Nchan and the
  floor they are the same, down to the parser of an event stream; for Socket.IO a parser
  of WebSocket frames takes its place.
- Events have 200 bytes of data. Each carries its number, and when it was published by
  the readers' own clock: latency is from before the publish to each reader's read.
- CPU is that of the server's processes alone, from /proc, per event and reader; what
  Tidings' Postgres takes stands beside it.
- Nothing was lost, doubled or reordered, unless a row says so.
`

// String is the page in Markdown.
func (p page) String() string {
	var b strings.Builder
	b.WriteString(pageHead)
	fmt.Fprintf(&b, "Measured %s: %d cores of %s, %s, %s", p.began.Format("2 January 2006"), p.machine.Cores, cmp.Or(p.machine.CPU, "unknown kind"), p.machine.System, p.machine.Go)
	if p.scale != 1 {
		fmt.Fprintf(&b, ". **A tryout with %g times the readers that the titles tell: these figures mean nothing**", p.scale)
	}
	b.WriteString(".\n\n")
	for _, peer := range p.peers {
		fmt.Fprintf(&b, "- **%s**: %s.\n", peer.name, peer.about)
	}
	b.WriteString("\n## How\n")
	fmt.Fprintf(&b, pageHow, countOf(p.rounds, "round"))
	p.ratios(&b)
	p.growth(&b)
	for _, c := range p.cells {
		p.cell(&b, c)
	}
	p.raw(&b)
	return b.String()
}

// cell is the table of one measurement.
func (p page) cell(b *strings.Builder, c cell) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", c.name, c.about)
	shown := slices.DeleteFunc(slices.Clone(c.figures), func(name string) bool { return len(p.values(c.name, "", name)) == 0 })
	rowOf(b, append([]string{""}, shown...))
	rowOf(b, append([]string{"---"}, slices.Repeat([]string{"--:"}, len(shown))...))
	for _, peer := range p.peers {
		if !c.of(peer.name) {
			continue
		}
		line := []string{peer.name}
		for _, name := range shown {
			line = append(line, number(median(slices.Collect(maps.Values(p.values(c.name, peer.name, name))))))
		}
		rowOf(b, line)
	}
}

// ratios is the first contestant held against the others.
func (p page) ratios(b *strings.Builder) {
	first, others := p.peers[0], p.peers[1:]
	fmt.Fprintf(b, "\n## In short\n\n")
	head := []string{first.name}
	for _, peer := range others {
		head = append(head, "÷ "+peer.name)
	}
	rowOf(b, head)
	rowOf(b, append([]string{"---"}, slices.Repeat([]string{"--:"}, len(others))...))
	for _, c := range p.cells {
		for _, name := range c.held {
			line := []string{c.name + ": " + name}
			for _, peer := range others {
				line = append(line, number(p.ratio(c.name, first.name, c.name, peer.name, name)))
			}
			rowOf(b, line)
		}
	}
}

// growth is what a delivery takes with many readers, over what it takes with few.
func (p page) growth(b *strings.Builder) {
	few := slices.IndexFunc(p.cells, func(c cell) bool { return slices.Contains(c.held, serverEach) })
	many := slices.IndexFunc(p.cells, func(c cell) bool { return slices.Contains(c.held, idle) })
	if few < 0 || many < 0 || few == many {
		return
	}
	fmt.Fprintf(b, "\n## With more readers\n\nCPU per delivery with %d readers ÷ that with %d, paced.\n\n", p.cells[many].readers, p.cells[few].readers)
	rowOf(b, []string{"", "ratio"})
	rowOf(b, []string{"---", "--:"})
	for _, peer := range p.peers {
		rowOf(b, []string{peer.name, number(p.ratio(p.cells[many].name, peer.name, p.cells[few].name, peer.name, serverEach))})
	}
}

// raw is every row as it was measured.
func (p page) raw(b *strings.Builder) {
	b.WriteString("\n## Raw rows\n\n")
	names := []string{serverEach, clientEach, databaseMs, p50, p99, rate, idle, connect, back, caughtUp, lost, doubled, reordered}
	rowOf(b, append([]string{"cell", "round", "server"}, names...))
	rowOf(b, append([]string{"---", "--:", "---"}, slices.Repeat([]string{"--:"}, len(names))...))
	for _, r := range p.rows {
		line := []string{r.cell, fmt.Sprint(r.round), r.peer}
		for _, name := range names {
			value, ok := r.figures[name]
			if !ok {
				value = math.NaN()
			}
			line = append(line, number(value))
		}
		rowOf(b, line)
	}
}

// values are those of a figure by round; of any contestant when none is named.
func (p page) values(cell, peer, name string) map[int]float64 {
	all := map[int]float64{}
	for _, r := range p.rows {
		if value, ok := r.figures[name]; ok && r.cell == cell && (peer == "" || r.peer == peer) {
			all[r.round] = value
		}
	}
	return all
}

// ratio is the median over the rounds of one contestant's figure in a cell over
// another's; not a number when there is none.
func (p page) ratio(cellA, peerA, cellB, peerB, name string) float64 {
	var ratios []float64
	below := p.values(cellB, peerB, name)
	for round, above := range p.values(cellA, peerA, name) {
		if below[round] != 0 {
			ratios = append(ratios, above/below[round])
		}
	}
	return median(ratios)
}

// median is not a number for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

// number has three digits that count, and all before the point.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func rowOf(b *strings.Builder, columns []string) {
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n")
}

func countOf(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
