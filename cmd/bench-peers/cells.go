package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

const (
	perSecond    = 20_000 // deliveries a second of what is paced: nobody is busy all the time
	pollsSlower  = 4      // times: a long-poll that is answered asks again
	atLeast      = 15     // events of what is paced
	pacedEvents  = 200    // of it, for 1,000 readers; as many deliveries for any other number
	flatEvents   = 1_000
	flatWriters  = 16
	stormTopics  = 100
	stormRate    = 200
	stormSeconds = 10
)

// A cell is one measurement of each contestant.
type cell struct {
	name    string
	about   string // what is done, for the page
	readers int
	topics  int
	figures []string // that are shown, of those the measurement takes
	held    []string // figures of which ratios are shown
	peers   []string // names of contestants; nil for all
	run     func(context.Context, cell, site) (figures, error)
}

// figures are the numbers of a row by their names, which are the page's.
type figures map[string]float64

// Names of figures.
const (
	serverEach = "server µs/delivery"
	clientEach = "client µs/delivery"
	databaseMs = "Postgres µs/delivery"
	p50        = "p50 ms"
	p99        = "p99 ms"
	rate       = "deliveries/s"
	idle       = "KB/idle reader"
	connect    = "connects/s"
	back       = "all back, s"
	caughtUp   = "all caught up, s"
	lost       = "lost"
	doubled    = "doubled"
	reordered  = "reordered"
)

// cells are all measurements, of so many times their readers.
func cells(scale float64) []cell {
	n := func(readers int) int { return max(1, int(float64(readers)*scale)) }
	paced := []string{serverEach, clientEach, databaseMs, p50, p99}
	return []cell{
		{
			name: "Paced, 1,000 readers", about: "One event at a time.",
			readers: n(1_000), topics: 1, figures: paced, held: []string{serverEach, p99}, run: measurePaced,
		}, {
			name: "Paced, 10,000 readers", about: "One event at a time.",
			readers: n(10_000), topics: 1, figures: paced, held: []string{serverEach, p99}, run: measurePaced,
		}, {
			name: "Flat out, 1,000 readers", about: fmt.Sprintf("%d publishers, each with its next event as soon as the last is answered.", flatWriters),
			readers: n(1_000), topics: 1, figures: []string{rate, p50, p99, serverEach, clientEach}, held: []string{rate, p99}, run: measureFlat,
		}, {
			name: "Idle, then paced, 15,000 readers", about: "Resident memory of the server's processes when all are connected and it keeps still, less what it was before; then one event at a time.",
			readers: n(15_000), topics: 1, figures: append([]string{idle, connect}, paced...), held: []string{idle, serverEach}, run: measurePaced,
		}, {
			name: "Idle, 15,000 long-polls", about: "Resident memory as above; then one event at a time, after each of which every reader asks again.",
			readers: n(15_000), topics: 1, figures: append([]string{idle, connect}, paced...), peers: []string{tidings{}.name()}, run: measurePolls,
		}, {
			name: "Reconnect storm, 15,000 readers", about: fmt.Sprintf("%d topics, %d events/s; all connections are reset at once, and come back with Last-Event-ID, %d at a time.", stormTopics, stormRate, bench.DialsAtOnce),
			readers: n(15_000), topics: min(stormTopics, n(15_000)), figures: []string{back, caughtUp, lost, doubled, reordered}, held: []string{caughtUp},
			peers: []string{tidings{}.name(), nchan{}.name()}, run: measureStorm,
		},
	}
}

// of says whether a contestant takes part.
func (c cell) of(name string) bool { return c.peers == nil || slices.Contains(c.peers, name) }

// gathered has the cell's readers connected for as long as fn.
func (c cell) gathered(ctx context.Context, s bench.Stream, fn func(*bench.StreamReaders) (figures, error)) (figures, error) {
	crowd, err := bench.ConnectReaders(ctx, s, c.readers, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer crowd.Stop()
	f, err := fn(crowd)
	if err != nil {
		return nil, err
	}
	f[idle], f[connect] = crowd.Memory.PerReader, crowd.Connect.PerSecond
	return f, nil
}

func measurePaced(ctx context.Context, c cell, s site) (figures, error) {
	return c.gathered(ctx, s.stream, func(crowd *bench.StreamReaders) (figures, error) { return c.pace(ctx, crowd, s, perSecond) })
}

func measurePolls(ctx context.Context, c cell, s site) (figures, error) {
	return c.gathered(ctx, s.poll, func(crowd *bench.StreamReaders) (figures, error) { return c.pace(ctx, crowd, s, perSecond/pollsSlower) })
}

// pace has as many deliveries made a second whatever the number of readers.
func (c cell) pace(ctx context.Context, crowd *bench.StreamReaders, s site, deliveries float64) (figures, error) {
	each := deliveries / float64(c.readers)
	events := max(atLeast, pacedEvents*1_000/c.readers)
	if c.readers < 1_000 { // a tryout
		each, events = 50, atLeast
	}
	return figuresOf(crowd.Paced(ctx, events, each, s.publish))
}

func measureFlat(ctx context.Context, c cell, s site) (figures, error) {
	return c.gathered(ctx, s.stream, func(crowd *bench.StreamReaders) (figures, error) {
		return figuresOf(crowd.FlatOut(ctx, flatEvents, flatWriters, s.publish))
	})
}

func measureStorm(ctx context.Context, c cell, s site) (figures, error) {
	return c.gathered(ctx, s.stream, func(crowd *bench.StreamReaders) (figures, error) {
		storm, err := crowd.Storm(ctx, stormRate*stormSeconds, stormRate, s.publish)
		if err != nil {
			return nil, err
		}
		f, err := figuresOf(storm.Delivery, nil)
		if err != nil {
			return nil, err
		}
		f[back], f[caughtUp] = storm.Reconnected, storm.CaughtUp
		return f, nil
	})
}

// figuresOf is an error when publishes failed: what was not sent has no figures.
func figuresOf(d bench.Delivery, err error) (figures, error) {
	if err != nil {
		return nil, err
	}
	if d.Failed > 0 {
		return nil, fmt.Errorf("%d of %d publishes failed: %s", d.Failed, d.Failed+d.Messages, d.Failure)
	}
	f := figures{
		p50: d.Latency.P50, p99: d.Latency.P99, rate: d.PerSecond,
		lost: float64(d.Faults.Lost), doubled: float64(d.Faults.Duplicated), reordered: float64(d.Faults.Reordered),
	}
	for name, cpu := range map[string]*bench.CPU{serverEach: d.Cost.Server, clientEach: d.Cost.Client, databaseMs: d.Cost.Postgres} {
		if cpu != nil {
			f[name] = cpu.MicrosEach
		}
	}
	return f, nil
}

// say tells the progress.
func say(out io.Writer, format string, args ...any) { fmt.Fprintf(out, "peers: "+format+"\n", args...) }
