package stream

import (
	"maps"
	"time"
)

// A Transport is how a reader is served.
type Transport string

// The transports.
const (
	SSE  Transport = "sse"
	Poll Transport = "poll"
)

// An End is why a reader is over.
type End string

// The ends of readers. The first four are the reasons of stream.bye.
const (
	EndShutdown End = "shutdown" // the server stops
	EndAge      End = "age"      // the stream is old; a new one spreads the load anew
	EndSlow     End = "slow"     // the socket took too long for one part
	EndExpired  End = "expired"  // the token ended
	EndStalled  End = "stalled"  // the socket took nothing for too long
	EndLeft     End = "left"     // the client hung up, or the network did
	EndAnswered End = "answered" // a poll has its answer
)

// Ended names what Stats counts ends by.
type Ended struct {
	Transport Transport
	End       End
}

// Stats are the figures of a hub since it began, and of this moment.
type Stats struct {
	Head      Cursor
	Floor     int64               // of the log, when it was last read: positions at or before it are gone
	Lag       time.Duration       // from the commit of an event until it was read here, the last time
	Readable  bool                // the log could be read, the last time
	Readers   map[Transport]int64 // at the moment
	Behind    int64               // of these, who hold a position and read on from it
	Unsent    int64               // bytes that sockets have not taken yet
	Events    int64               // read from the log
	Delivered int64               // events written to streams, each as often as it had readers
	Writes    int64               // to streams
	Bytes     int64               // of these
	Conflated int64               // events left out in favour of a later state
	RingReads int64               // of readers that were behind: answered from memory
	LogReads  int64               // of these: those that memory could not answer,
	Reads     int64               // and what they cost: reads of the log, each for many
	Ended     map[Ended]int64     // readers that have ended
	Latency   Latency             // from commit to write, of delivered events
	Breaks    int                 // how often the log broke off, or began a new epoch
}

func newStats() Stats {
	return Stats{Readers: make(map[Transport]int64), Ended: make(map[Ended]int64)}
}

// LatencyBounds are the upper bounds of the buckets of a [Latency], but for the last,
// which has none.
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

// A tally is what one worker, or one stream with a goroutine of its own, has counted
// and not told yet.
type tally struct {
	delivered, writes, bytes, unsent int64
	latency                          Latency
}

// frame counts an event that is written at a time, which had been committed before.
func (t *tally) frame(f *Frame, at time.Time) {
	t.delivered++
	if !f.Committed.IsZero() {
		t.latency.add(max(0, at.Sub(f.Committed))) // clocks may differ
	}
}

// wrote counts a write. Answers of polls are not counted.
func (t *tally) wrote(transport Transport, bytes int) {
	if transport == SSE {
		t.writes++
		t.bytes += int64(bytes)
	}
}

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

// add sums the figures of shards.
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
	h.mu.RLock()
	defer h.mu.RUnlock()
	sum.Head, sum.Events, sum.Breaks = h.head, h.events, max(0, h.breaks-1) // the first is the beginning
	sum.Floor = h.state.Floor
	sum.Lag, sum.Readable = h.lag, h.loaded && h.err == nil
	sum.Reads = h.reads.Load()
	return sum
}
