package verify

import (
	"fmt"
	"slices"

	"github.com/tidings-live/tidings/stream"
)

// A judge holds the trail of one reader against the truth, step by step. It keeps no
// more than where the reader is and what is amiss. It belongs to one goroutine.
type judge struct {
	name   string
	topics []string
	truth  *truth
	ledger *ledger
	tally  *tally
	times  *histogram

	waiting []step // not judged yet: the truth does not reach that far

	began     bool
	at        stream.Cursor
	missing   map[int64]jump   // durable events that the cursor passed, by position
	stale     map[uint64]int64 // latest-only ones: the last position passed, by key
	newest    map[uint64]int64 // latest-only ones: the last position that came, by key
	excused   []span           // announced gaps
	jumps     int64
	delivered int64
	gaps      int64
}

// A jump is one advance of a cursor past events that had not come.
type jump struct {
	number int64
	what   string
}

// A span is the positions after one, up to another.
type span struct{ after, through int64 }

func newJudge(name string, topics []string, t *truth, l *ledger, sum *tally, times *histogram) *judge {
	return &judge{
		name: name, topics: topics, truth: t, ledger: l, tally: sum, times: times,
		missing: make(map[int64]jump), stale: make(map[uint64]int64), newest: make(map[uint64]int64),
	}
}

// A view is how far the truth is known at a hearing.
type view struct {
	through int64 // positions up to here are known
	readAt  int64 // when, by the ledger's clock, the read that told began
	floor   int64 // positions at or before it may have been removed by then; -1: unknown
	final   bool  // no more will be known
}

// hear judges the steps that the truth reaches, and keeps the others.
func (j *judge) hear(steps []step, v view) {
	j.waiting = append(j.waiting, steps...)
	done := 0
	for _, s := range j.waiting {
		if !v.final && (s.cursor.Position > v.through || s.kind == skipped && s.at >= v.readAt) {
			break
		}
		j.take(s, v)
		done++
	}
	j.waiting = append([]step(nil), j.waiting[done:]...)
}

func (j *judge) take(s step, v view) {
	switch s.kind {
	case began:
		j.began, j.at = true, s.cursor
	case arrived:
		j.event(s)
	case moved:
		j.move(s.cursor)
	case skipped:
		j.gap(s, v)
	}
}

func (j *judge) event(s step) {
	f, p := s.fact, s.cursor.Position
	if f.astray || !slices.Contains(j.topics, f.topic) {
		j.blame(leaked, s, "leaked")
		return
	}
	if s.cursor.Epoch < j.at.Epoch {
		j.blame(reordered, s, "came in an older epoch than the one before")
	}
	if p <= j.at.Position {
		j.late(s)
		return
	}
	known, ok := j.truth.find(f.topic, p)
	if !ok || known.digest != f.digest {
		j.blame(invented, s, "is not what the log has there")
		return
	}
	j.advance(p - 1)
	j.at = s.cursor
	if f.latest {
		delete(j.stale, f.key)
		j.newest[f.key] = p
	}
	j.delivered++
	// A burst says how long its reading takes, not how late events are.
	if at, ok := j.ledger.answeredAt(f.n); ok && at >= s.awake && f.name != nameBurst {
		j.times.add(max(0, s.at-at))
	}
}

// late is an event at or before the cursor: it came again, or out of order.
func (j *judge) late(s step) {
	p := s.cursor.Position
	if _, ok := j.missing[p]; ok {
		delete(j.missing, p)
		j.blame(reordered, s, "came after a later one")
		return
	}
	if s.fact.latest && j.newest[s.fact.key] != p {
		j.blame(reordered, s, "came after a newer one")
		return
	}
	for _, e := range j.excused {
		if p > e.after && p <= e.through {
			j.blame(reordered, s, "came after the gap that it lies in")
			return
		}
	}
	j.blame(duplicated, s, "came again")
}

func (j *judge) move(to stream.Cursor) {
	if to.Position < j.at.Position || to.Epoch < j.at.Epoch {
		j.tally.count(reordered, 1, "%s: the cursor went back from %v to %v", j.name, j.at, to)
		return
	}
	j.advance(to.Position)
	j.at = to
}

// advance passes the events up to a position that have not come.
func (j *judge) advance(to int64) {
	jumped := false
	for _, topic := range j.topics {
		for _, r := range j.truth.between(topic, j.at.Position, to) {
			if r.latest {
				j.stale[r.key] = r.position
				continue
			}
			if !jumped {
				jumped = true
				j.jumps++
			}
			j.missing[r.position] = jump{j.jumps, fmt.Sprintf("%d of %s (write %d)", r.position, topic, r.n)}
		}
	}
	j.at.Position = max(j.at.Position, to)
}

// gap takes an announced gap: what lies in it is excused, what lies between the
// cursor and its beginning is not. Whether it was needed is judged from where the reader
// stands, whatever the server says.
func (j *judge) gap(s step, v view) {
	j.gaps++
	stood := j.at.Position
	j.advance(s.from.Position)
	if v.floor >= 0 && (s.reason != string(stream.GapExpired) || stood >= v.floor) {
		j.tally.count(needlessGaps, 1, "%s: gap (%s) from %v to %v, but the log begins after %d", j.name, s.reason, s.from, s.cursor, v.floor)
	}
	after := max(j.at.Position, s.from.Position)
	for _, topic := range j.topics {
		for _, r := range j.truth.between(topic, after, s.cursor.Position) {
			if r.latest {
				delete(j.stale, r.key)
			}
		}
	}
	j.excused = append(j.excused, span{after, s.cursor.Position})
	if s.cursor.Position < j.at.Position && s.cursor.Epoch <= j.at.Epoch {
		j.tally.count(reordered, 1, "%s: a gap took the cursor back from %v to %v", j.name, j.at, s.cursor)
	}
	j.at = s.cursor
}

// close counts what has not come by the end of the run: everything up to the closing
// events was waited for.
func (j *judge) close() {
	for _, topic := range j.topics {
		tail, end := int64(0), j.truth.end(topic)
		for _, r := range j.truth.between(topic, j.at.Position, end) {
			if r.latest {
				j.stale[r.key] = r.position
				continue
			}
			tail++
		}
		j.tally.count(lost, tail, "%s: the last %d events of %s did not come: it stopped at %v, the end is %d", j.name, tail, topic, j.at, end)
	}
	jumps := make(map[int64]bool)
	for _, m := range j.missing {
		jumps[m.number] = true
		j.tally.count(lost, 1, "%s: lost %s", j.name, m.what)
	}
	j.tally.count(silentGaps, int64(len(jumps)), "%s: %d silent gaps", j.name, len(jumps))
	for _, position := range j.stale {
		j.tally.count(lost, 1, "%s: the newest value of a count did not come: %d", j.name, position)
	}
}

func (j *judge) blame(which func(*Faults) *int64, s step, how string) {
	j.tally.count(which, 1, "%s: %v %s of %s (write %d) %s; the cursor was at %v", j.name, s.cursor, s.fact.name, s.fact.topic, s.fact.n, how, j.at)
}
