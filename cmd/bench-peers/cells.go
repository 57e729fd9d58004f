package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// The loads. The rates are low enough that no server is busy all the time, except in the
// cell "Flat out".
const (
	perSecond    = 20_000 // paced deliveries a second
	polledPerSec = 4_000  // paced deliveries a second by long-poll: each reader asks again
	polledEvents = 30     // paced events by long-poll for up to 2,000 readers; fewer for more readers
	atLeast      = 15     // least number of paced events
	pacedEvents  = 200    // paced events for 1,000 readers; fewer for more readers
	flatEvents   = 1_000  // events sent flat out
	flatWriters  = 16     // publishers of these events
	stormTopics  = 100    // topics of the reconnect storm
	stormRate    = 200    // events a second, over all topics
	stormSeconds = 10     // duration of the load; the connections are reset during it
)

// A cell is one measurement. It is made with each peer, or only with those in peers.
type cell struct {
	name     string
	about    string   // description, for the page
	readers  int      // readers connected to each server
	topics   int      // streams that readers and events are spread over
	figures  []string // names of the figures that the page shows
	compared []string // names of the figures whose ratios the page shows
	peers    []string // names of the peers to measure; nil for all
	proxy    *proxy   // between readers and the server; nil: none
	// run measures one server, which has just started. It returns an error if a publish
	// fails or the readers cannot connect.
	run func(context.Context, cell, peerServer) (figures, error)
}

// figures are the numbers of one measurement, by the names that the page shows. A figure
// that cannot be measured, such as CPU time without /proc, is absent.
type figures map[string]float64

// Names of figures, with their units. A delivery is one event that one reader receives.
const (
	serverEach   = "server µs/delivery"   // CPU time of the server's processes
	clientEach   = "client µs/delivery"   // CPU time of this process
	databaseEach = "Postgres µs/delivery" // CPU time of Tidings' Postgres
	p50          = "p50 ms"               // latency, from before the publish to a reader's read
	p99          = "p99 ms"
	rate         = "deliveries/s"
	idle         = "KB/idle reader" // resident memory that connecting the readers has added
	connect      = "connects/s"
	back         = "all reconnected, s" // from the reset of all connections
	caughtUp     = "all caught up, s"   // from the reset until all earlier events have arrived
	lost         = "lost"               // acknowledged events that did not arrive, over all readers
	duplicated   = "duplicated"
	reordered    = "reordered"
)

// cells returns all measurements, with the number of readers multiplied by scale. The names
// say the number of readers at scale 1. The peers are compared by one cell for each question:
// CPU time at two sizes, throughput, memory, and the time to reconnect.
func cells(scale float64) []cell {
	n := func(readers int) int { return max(1, int(float64(readers)*scale)) }
	paced := []string{serverEach, clientEach, databaseEach, p50, p99}
	polled := append([]string{idle, connect}, paced...)
	polling := []string{tidings{}.name(), nchan{}.name(), socketIO{}.name()}
	return []cell{
		{
			name: "Paced, 1,000 readers", about: "One event at a time.",
			readers: n(1_000), topics: 1, figures: paced, compared: []string{serverEach, p99}, run: measurePaced,
		}, {
			name: "Paced, 10,000 readers", about: "One event at a time.",
			readers: n(10_000), topics: 1, figures: paced, compared: []string{serverEach, p99}, run: measurePaced,
		}, {
			name: "Flat out, 1,000 readers", about: fmt.Sprintf("%d publishers. Each sends its next event as soon as its last one is acknowledged.", flatWriters),
			readers: n(1_000), topics: 1, figures: []string{rate, p50, p99, serverEach, clientEach}, compared: []string{rate, p99}, run: measureFlat,
		}, {
			name: "Idle, then paced, 15,000 readers", about: "Resident memory of the server's processes when all readers are connected and it has stopped changing, minus the memory before; then one event at a time.",
			readers: n(15_000), topics: 1, figures: append([]string{idle, connect}, paced...), compared: []string{idle, serverEach}, run: measurePaced,
		}, {
			name: "Polls, 2,000 readers", about: "Each reader polls over one connection. Resident memory as above; then one event at a time, after each of which every reader polls again. The CPU time of the next poll is part of that of a delivery.",
			readers: n(2_000), topics: 1, figures: polled, compared: []string{serverEach, p50, p99, idle}, peers: polling, run: measurePolls,
		}, {
			name: "Polls, 15,000 readers", about: "As above.",
			readers: n(15_000), topics: 1, figures: polled, compared: []string{serverEach, p99, idle}, peers: polling, run: measurePolls,
		}, {
			name: "Polls behind HAProxy, 5,000 readers", about: haproxy.about,
			readers: n(5_000), topics: 1, figures: polled, compared: []string{serverEach, p99}, peers: polling, proxy: &haproxy, run: measurePolls,
		}, {
			name: "Polls behind nginx, 5,000 readers", about: nginx.about,
			readers: n(5_000), topics: 1, figures: polled, compared: []string{serverEach, p99}, peers: polling, proxy: &nginx, run: measurePolls,
		}, {
			name: "Reconnect storm, 15,000 readers", about: fmt.Sprintf("%d topics, %d events/s; all connections are reset at once. The readers reconnect with Last-Event-ID, %d at a time.", stormTopics, stormRate, bench.DialsAtOnce),
			readers: n(15_000), topics: min(stormTopics, n(15_000)), figures: []string{back, caughtUp, lost, duplicated, reordered}, compared: []string{caughtUp},
			peers: []string{tidings{}.name(), nchan{}.name()}, run: measureStorm,
		},
	}
}

// of reports whether the cell measures the peer.
func (c cell) of(name string) bool { return c.peers == nil || slices.Contains(c.peers, name) }

// withReaders connects the cell's readers, calls fn, and adds the figures of connecting to
// those that fn returns. It disconnects the readers before it returns.
func (c cell) withReaders(ctx context.Context, s bench.Stream, fn func(*bench.StreamReaders) (figures, error)) (figures, error) {
	readers, err := bench.ConnectReaders(ctx, s, c.readers, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer readers.Stop()
	f, err := fn(readers)
	if err != nil {
		return nil, err
	}
	f[idle], f[connect] = readers.Memory.PerReader, readers.Connect.PerSecond
	return f, nil
}

// measurePaced publishes at a steady rate to readers of event streams.
func measurePaced(ctx context.Context, c cell, s peerServer) (figures, error) {
	return c.withReaders(ctx, s.stream, func(readers *bench.StreamReaders) (figures, error) {
		return c.pace(ctx, readers, s, perSecond, pacedEvents*1_000)
	})
}

// measurePolls publishes at a steady rate to readers by long-poll.
func measurePolls(ctx context.Context, c cell, s peerServer) (f figures, err error) {
	err = c.proxy.inFrontOf(ctx, s.poll.URL, func(url string) error {
		s.poll.URL = url
		f, err = c.withReaders(ctx, s.poll, func(readers *bench.StreamReaders) (figures, error) {
			return c.pace(ctx, readers, s, polledPerSec, polledEvents*2_000)
		})
		return err
	})
	return f, err
}

// pace publishes at a steady rate. The rate of events is deliveries divided by the number of
// readers, so that cells with different numbers of readers load a server alike. all is the
// number of deliveries, but there are at least atLeast events. Fewer than 1,000 readers are a
// trial: they get 50 events a second.
func (c cell) pace(ctx context.Context, readers *bench.StreamReaders, s peerServer, deliveries float64, all int) (figures, error) {
	each := deliveries / float64(c.readers)
	events := max(atLeast, all/c.readers)
	if c.readers < 1_000 { // a trial with a small scale
		each, events = 50, atLeast
	}
	return figuresOf(readers.Paced(ctx, events, each, s.publish))
}

// measureFlat publishes as fast as the server acknowledges, with flatWriters publishers. It
// ends when all events have arrived or the readers have waited too long for them.
func measureFlat(ctx context.Context, c cell, s peerServer) (figures, error) {
	return c.withReaders(ctx, s.stream, func(readers *bench.StreamReaders) (figures, error) {
		return figuresOf(readers.FlatOut(ctx, flatEvents, flatWriters, s.publish))
	})
}

// measureStorm resets all connections during a load at a steady rate. The readers reconnect
// with their last ids, and the figures show when they have all earlier events.
func measureStorm(ctx context.Context, c cell, s peerServer) (figures, error) {
	return c.withReaders(ctx, s.stream, func(readers *bench.StreamReaders) (figures, error) {
		storm, err := readers.Storm(ctx, stormRate*stormSeconds, stormRate, s.publish)
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

// figuresOf returns the figures of a delivery. It returns an error if publishes failed:
// the figures would be those of another load.
func figuresOf(d bench.Delivery, err error) (figures, error) {
	if err != nil {
		return nil, err
	}
	if d.Failed > 0 {
		return nil, fmt.Errorf("%d of %d publishes failed: %s", d.Failed, d.Failed+d.Messages, d.Failure)
	}
	f := figures{
		p50: d.Latency.P50, p99: d.Latency.P99, rate: d.PerSecond,
		lost: float64(d.Faults.Lost), duplicated: float64(d.Faults.Duplicated), reordered: float64(d.Faults.Reordered),
	}
	for name, cpu := range map[string]*bench.CPU{serverEach: d.Cost.Server, clientEach: d.Cost.Client, databaseEach: d.Cost.Postgres} {
		if cpu != nil {
			f[name] = cpu.MicrosEach
		}
	}
	return f, nil
}

// logf writes a line about the progress.
func logf(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "bench-peers: "+format+"\n", args...)
}
