package verify

import (
	"fmt"
	"slices"

	"github.com/tidings-live/tidings/stream"
)

// A readerCheck compares the trace of one reader with the log copy, step by step. It
// remembers the reader's cursor and the events that have not arrived, not the events
// that have. It belongs to the goroutine of the checker.
type readerCheck struct {
	name     string
	topics   []string
	log      *logCopy
	writes   *writeLog
	findings *findings
	times    *histogram

	// cutOff is set before finish if the reader could not read to the end: events after its
	// cursor need not have arrived.
	cutOff bool

	pending []step // not checked yet: the log copy does not reach that far

	started   bool
	at        stream.Cursor
	missing   map[int64]passedEvent // events that must arrive and that the cursor passed, by position
	outdated  map[uint64]int64      // latest-only: position of the last event that the cursor passed, by key
	newest    map[uint64]int64      // latest-only: position of the last event that arrived, by key
	gapSpans  []span                // of announced gaps
	advances  int64                 // number of times that the cursor passed events
	delivered int64
	gaps      int64
}

// A passedEvent is an event that the cursor passed before the event arrived.
type passedEvent struct {
	advance int64 // number of the advance that passed it
	text    string
}

// A span is the positions above one, up to and including another.
type span struct{ after, through int64 }

func newReaderCheck(name string, topics []string, log *logCopy, w *writeLog, f *findings, times *histogram) *readerCheck {
	return &readerCheck{
		name: name, topics: topics, log: log, writes: w, findings: f, times: times,
		missing: make(map[int64]passedEvent), outdated: make(map[uint64]int64), newest: make(map[uint64]int64),
	}
}

// An extent says how much of the log the log copy has at one check.
type extent struct {
	through int64 // complete up to this position
	readAt  int64 // time of the write log's clock before the last read of the log
	floor   int64 // retention may have removed positions up to this one; -1: unknown
	final   bool  // the copy will not grow any more
}

// check checks the steps that the log copy covers, and keeps the rest for the next
// check. A gap waits until the log was read after the gap was announced, since only
// then the floor is at least as high as it was for the server.
func (r *readerCheck) check(steps []step, e extent) {
	r.pending = append(r.pending, steps...)
	done := 0
	for _, s := range r.pending {
		if !e.final && (s.cursor.Position > e.through || s.kind == gapAnnounced && s.at >= e.readAt) {
			break
		}
		r.checkStep(s, e)
		done++
	}
	r.pending = append([]step(nil), r.pending[done:]...)
}

func (r *readerCheck) checkStep(s step, e extent) {
	switch s.kind {
	case started:
		r.started, r.at = true, s.cursor
	case received:
		r.event(s)
	case advanced:
		r.advanceTo(s.cursor)
	case gapAnnounced:
		r.gap(s, e)
	}
}

// event checks one event. An event with several faults counts as the first of: leaked,
// reordered by its epoch, repeated or out of order, invented.
func (r *readerCheck) event(s step) {
	e, p := s.event, s.cursor.Position
	if e.misrouted || !slices.Contains(r.topics, e.topic) {
		r.fault(leaked, s, "is not of a topic that it may get")
		return
	}
	if s.cursor.Epoch < r.at.Epoch {
		r.fault(reordered, s, "has an older epoch than the event before it")
	}
	if p <= r.at.Position {
		r.late(s)
		return
	}
	known, ok := r.log.find(e.topic, p)
	if !ok || known.digest != e.digest || !sameText(known.text, e.text) {
		r.fault(invented, s, "differs from the log at that position")
		return
	}
	r.pass(p - 1)
	r.at = s.cursor
	if e.latest {
		delete(r.outdated, e.key)
		r.newest[e.key] = p
	}
	r.delivered++
	// Events of a burst are left out of the latency: the time until a reader has read
	// the whole burst says nothing about single events. So are events that were
	// acknowledged while the reader did not read.
	if at, ok := r.writes.acknowledgedAt(e.n); ok && at >= s.since && e.name != nameBurst {
		r.times.add(max(0, s.at-at))
	}
}

// late reports an event that is not above the cursor. It is reordered if it had not
// arrived before, else duplicated.
func (r *readerCheck) late(s step) {
	p := s.cursor.Position
	if _, ok := r.missing[p]; ok {
		delete(r.missing, p)
		r.fault(reordered, s, "came after a later event")
		return
	}
	if s.event.latest && r.newest[s.event.key] != p {
		r.fault(reordered, s, "came after a newer value")
		return
	}
	for _, g := range r.gapSpans {
		if p > g.after && p <= g.through {
			r.fault(reordered, s, "came after the announced gap that contains it")
			return
		}
	}
	r.fault(duplicated, s, "came twice")
}

func (r *readerCheck) advanceTo(to stream.Cursor) {
	if to.Position < r.at.Position || to.Epoch < r.at.Epoch {
		r.findings.add(reordered, 1, "%s: the cursor went back from %v to %v", r.name, r.at, to)
		return
	}
	r.pass(to.Position)
	r.at = to
}

// pass moves the cursor to a position and notes the events in between as not arrived.
func (r *readerCheck) pass(to int64) {
	counted := false
	for _, topic := range r.topics {
		for _, e := range r.log.between(topic, r.at.Position, to) {
			if e.latest {
				r.outdated[e.key] = e.position
				continue
			}
			if !counted {
				counted = true
				r.advances++
			}
			r.missing[e.position] = passedEvent{r.advances, fmt.Sprintf("%d of %s (write %d)", e.position, topic, e.n)}
		}
	}
	r.at.Position = max(r.at.Position, to)
}

// gap checks an announced gap. Events in the gap need not arrive; events between the
// cursor and the beginning of the gap must have arrived. The gap is needless unless its
// reason is "expired" and retention had removed events above the reader's cursor. The
// beginning that the server names does not count for that.
func (r *readerCheck) gap(s step, e extent) {
	r.gaps++
	cursor := r.at.Position
	r.pass(s.from.Position)
	if e.floor >= 0 && (s.reason != string(stream.GapExpired) || cursor >= e.floor) {
		r.findings.add(needlessGaps, 1, "%s: the gap (%s) from %v to %v was not needed: the log has everything above %d", r.name, s.reason, s.from, s.cursor, e.floor)
	}
	after := max(r.at.Position, s.from.Position)
	for _, topic := range r.topics {
		for _, event := range r.log.between(topic, after, s.cursor.Position) {
			if event.latest {
				delete(r.outdated, event.key)
			}
		}
	}
	r.gapSpans = append(r.gapSpans, span{after, s.cursor.Position})
	if s.cursor.Position < r.at.Position && s.cursor.Epoch <= r.at.Epoch {
		r.findings.add(reordered, 1, "%s: a gap moved the cursor back from %v to %v", r.name, r.at, s.cursor)
	}
	r.at = s.cursor
}

// finish reports the events that did not arrive by the end of the run. The run waits
// until each reader has read up to verify.end, so the events before it must be there.
func (r *readerCheck) finish() {
	for _, topic := range r.topics {
		if r.cutOff {
			break
		}
		unread, end := int64(0), r.log.end(topic)
		for _, e := range r.log.between(topic, r.at.Position, end) {
			if e.latest {
				r.outdated[e.key] = e.position
				continue
			}
			unread++
		}
		r.findings.add(lost, unread, "%s: the last %d events of %s did not arrive: the cursor is %v, the end is %d", r.name, unread, topic, r.at, end)
	}
	silent := make(map[int64]bool)
	for _, m := range r.missing {
		silent[m.advance] = true
		r.findings.add(lost, 1, "%s: did not get %s", r.name, m.text)
	}
	r.findings.add(silentGaps, int64(len(silent)), "%s: the cursor passed events without an announced gap %d times", r.name, len(silent))
	for _, position := range r.outdated {
		if r.cutOff {
			break // the newest value may come later
		}
		r.findings.add(lost, 1, "%s: the newest value of a count did not arrive: position %d", r.name, position)
	}
}

func (r *readerCheck) fault(kind faultKind, s step, how string) {
	r.findings.add(kind, 1, "%s: event %v %s of %s (write %d) %s; the cursor was %v", r.name, s.cursor, s.event.name, s.event.topic, s.event.n, how, r.at)
}
