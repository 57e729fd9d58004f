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

// A page is the report of a run.
type page struct {
	began   time.Time
	machine bench.Machine // without Postgres, which tidings.about describes
	rounds  int
	scale   float64     // factor for the readers; the page is a trial if it is not 1
	peers   []described // in the order of the tables; the first is compared with the others
	cells   []cell      // in the order of the tables
	rows    []row       // in the order of measurement
}

// described is a peer's name and the result of its about method.
type described struct{ name, about string }

// pageHead is the beginning of the page. The date and the peers follow it.
const pageHead = `# Benchmarks

<!-- Written by "make bench-peers": change cmd/bench-peers, not this page. -->

Tidings, its peers and "the floor", a program that only writes, measured in one run on
one machine with the same readers. To repeat the run (it installs missing programs with
this machine's package manager and npm, and takes some minutes):

    make bench-peers

`

// pageHow explains the figures. It is a format, for the number of rounds.
const pageHow = `
- Each server has just started and is the only one that runs. The peers are measured one
  after another for each cell, in %s. The tables show medians over the rounds. A ratio is
  the median of the ratios within a round: the speed of the machine changes between
  rounds, and that affects all peers in a round.
- Readers, publishers, server and database share the machine's cores. With a separate
  machine for the readers, absolute figures would be better and ratios about the same.
- One process reads all connections by epoll. For Tidings, Nchan and the floor the
  readers are the same, with the same parser of event streams. For Socket.IO, a parser of
  WebSocket frames replaces it. Readers that poll are the same for all servers, too: each
  sends its next request over the same connection as soon as it has read an answer.
- Events have 200 bytes of data. Each carries its number and the time at which it was
  published, by the clock of the readers' process. Latency is the time from before the
  publish until a reader has read the event.
- CPU time is that of the server's processes, from /proc, divided by the number of
  deliveries: events times readers. The CPU time of Tidings' Postgres is a separate
  column.
- No event was lost, duplicated or reordered, unless a row says so.
`

// String returns the page in Markdown.
func (p page) String() string {
	var b strings.Builder
	b.WriteString(pageHead)
	fmt.Fprintf(&b, "Measured %s: %d cores of %s, %s, %s", p.began.Format("2 January 2006"), p.machine.Cores, cmp.Or(p.machine.CPU, "unknown kind"), p.machine.System, p.machine.Go)
	if p.scale != 1 {
		fmt.Fprintf(&b, ". **A trial with %g times the readers that the titles say: do not use these figures**", p.scale)
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

// cell writes the table of one measurement.
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

// ratios writes the table of ratios of the first peer to the others, for the compared figures
// of each cell. A ratio below 1 means that the first peer has the smaller figure.
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
		for _, name := range c.compared {
			line := []string{c.name + ": " + name}
			for _, peer := range others {
				line = append(line, number(p.ratio(c.name, first.name, c.name, peer.name, name)))
			}
			rowOf(b, line)
		}
	}
}

// growth writes the ratios of CPU time per delivery with many readers to few readers. It
// writes nothing if one of the two cells was not measured.
func (p page) growth(b *strings.Builder) {
	few := slices.IndexFunc(p.cells, func(c cell) bool { return slices.Contains(c.compared, serverEach) })
	many := slices.IndexFunc(p.cells, func(c cell) bool { return slices.Contains(c.compared, idle) })
	if few < 0 || many < 0 || few == many {
		return
	}
	fmt.Fprintf(b, "\n## With more readers\n\nCPU time per delivery with %d readers ÷ CPU time per delivery with %d readers, paced.\n\n", p.cells[many].readers, p.cells[few].readers)
	rowOf(b, []string{"", "ratio"})
	rowOf(b, []string{"---", "--:"})
	for _, peer := range p.peers {
		rowOf(b, []string{peer.name, number(p.ratio(p.cells[many].name, peer.name, p.cells[few].name, peer.name, serverEach))})
	}
}

// raw writes the figures of each peer in each round, so that a reader of the page can check
// the medians.
func (p page) raw(b *strings.Builder) {
	b.WriteString("\n## Raw rows\n\n")
	names := []string{serverEach, clientEach, databaseEach, p50, p99, rate, idle, connect, back, caughtUp, lost, duplicated, reordered}
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

// values returns a figure's values by round; of any peer if peer is "".
func (p page) values(cell, peer, name string) map[int]float64 {
	all := map[int]float64{}
	for _, r := range p.rows {
		if value, ok := r.figures[name]; ok && r.cell == cell && (peer == "" || r.peer == peer) {
			all[r.round] = value
		}
	}
	return all
}

// ratio returns the median over the rounds of peerA's figure in cellA divided by peerB's in
// cellB. It returns NaN if no round has both.
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

// median returns the median of the values, or NaN if there are none. It sorts the values.
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

// number formats v with three significant digits, or more before the point; NaN is "–".
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

// rowOf writes a row of a Markdown table.
func rowOf(b *strings.Builder, columns []string) {
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n")
}

// countOf returns "one round" or "3 rounds".
func countOf(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
