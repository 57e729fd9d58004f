package stream

import (
	"cmp"
	"maps"
	"time"
)

// Stats are the figures of a hub: counts since it began, and current values (gauges).
type Stats struct {
	Head      Cursor              // the last event that was offered to all shards
	Floor     int64               // floor of the log at its last read: retention has removed the events up to it
	Lag       time.Duration       // time from the commit of the newest event until this hub read it
	Readable  bool                // the last read of new events and that of past ones succeeded
	Readers   map[Transport]int64 // gauge: open readers
	Behind    int64               // gauge: readers that read on from the ring or the log
	Unsent    int64               // gauge: bytes that the sockets of readers have not taken yet
	Events    int64               // events read from the log
	Delivered int64               // events written to streams and in answers of polls, counted once for each reader
	Writes    int64               // writes to streams
	Bytes     int64               // bytes written to streams
	Conflated int64               // events left out in favor of a later one, counted once for each reader
	RingReads int64               // fetches of readers that were behind, answered from the ring
	LogReads  int64               // fetches of readers that were behind, for which the log was read
	Reads     int64               // reads of the log for readers; one read serves many LogReads
	Ended     map[Ended]int64     // readers that have ended
	Latency   Latency             // time from the commit to the write of delivered events
	Breaks    int                 // number of restarts at the head of the log and of new epochs
	// LogFaults and ReplayFaults count the failed reads of new events and of past ones.
	LogFaults, ReplayFaults int64
}

func newStats() Stats {
	return Stats{Readers: make(map[Transport]int64), Ended: make(map[Ended]int64)}
}

// LatencyBounds are the upper bounds of the buckets of a [Latency]. The last bucket has
// no bound.
var LatencyBounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// A Latency counts durations, each in the first bucket whose bound it does not exceed.
type Latency struct {
	Counts [len(LatencyBounds) + 1]int64
	Sum    time.Duration
}

func (l *Latency) add(d time.Duration) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	l.Counts[i]++
	l.Sum += d
}

// A tally has the counts of a worker or a goroutine that are not yet added to the figures of
// its shard.
type tally struct {
	delivered, writes, bytes, unsent int64
	latency                          Latency
}

// frame counts an event that is written at the time at.
func (t *tally) frame(f *Frame, at time.Time) {
	t.delivered++
	if !f.Committed.IsZero() {
		t.latency.add(max(0, at.Sub(f.Committed))) // the clocks of database and server may differ
	}
}

// answered counts the events of the answer of a poll. If the poll has not waited, the time
// since the commit is not counted: it is the client that came late.
func (t *tally) answered(frames []*Frame, waited bool, at time.Time) {
	if !waited {
		t.delivered += int64(len(frames))
		return
	}
	for _, f := range frames {
		t.frame(f, at)
	}
}

// wrote counts a write. Answers of polls are not counted.
func (t *tally) wrote(transport Transport, bytes int) {
	if transport == SSE {
		t.writes++
		t.bytes += int64(bytes)
	}
}

// flush adds the tally to figures and empties it.
func (t *tally) flush(into *Stats) {
	into.Delivered += t.delivered
	into.Writes += t.writes
	into.Bytes += t.bytes
	into.Unsent += t.unsent
	for i, n := range t.latency.Counts {
		into.Latency.Counts[i] += n
	}
	into.Latency.Sum += t.latency.Sum
	*t = tally{}
}

// add adds the figures of a shard.
func (s *Stats) add(shard Stats) {
	for t, n := range shard.Readers {
		s.Readers[t] += n
	}
	for e, n := range shard.Ended {
		s.Ended[e] += n
	}
	s.Behind += shard.Behind
	s.Conflated += shard.Conflated
	s.RingReads += shard.RingReads
	s.LogReads += shard.LogReads
	of := tally{shard.Delivered, shard.Writes, shard.Bytes, shard.Unsent, shard.Latency}
	of.flush(s)
}

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats {
	sum := newStats()
	for _, sh := range h.shards {
		sh.mu.Lock()
		of := sh.count
		of.Readers, of.Ended = maps.Clone(of.Readers), maps.Clone(of.Ended)
		sh.mu.Unlock()
		sum.add(of)
	}
	err := cmp.Or(h.follows.Err(), h.replays.faults.Err())
	sum.LogFaults, sum.ReplayFaults = h.follows.Failures(), h.replays.faults.Failures()
	h.mu.RLock()
	defer h.mu.RUnlock()
	sum.Head, sum.Events, sum.Breaks = h.head, h.events, max(0, h.breaks-1) // the first is the beginning
	sum.Floor = h.state.Floor
	sum.Lag, sum.Readable = h.lag, h.loaded && err == nil
	sum.Reads = h.reads.Load()
	return sum
}
