package bench

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A mark is part of the text of each event that bench sends. It identifies the event.
type mark struct {
	n    int           // number of the event, from 0, unique within a load
	sent time.Duration // when the event was sent, by the clock of the target
}

const markWord = "bench-mark "

// String returns the text that findMark parses.
func (m mark) String() string {
	return markWord + strconv.Itoa(m.n) + " " + strconv.FormatInt(int64(m.sent), 10) + " "
}

// findMark returns the first mark in an event's data.
func findMark(data []byte) (mark, bool) {
	at := bytes.Index(data, []byte(markWord))
	if at < 0 {
		return mark{}, false
	}
	n, rest := leadingDigits(data[at+len(markWord):])
	sent, _ := leadingDigits(rest)
	return mark{int(n), time.Duration(sent)}, true
}

// leadingDigits parses the number at the beginning of b. rest begins after the byte that
// follows the number.
func leadingDigits(b []byte) (n int64, rest []byte) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	return n, b[min(i+1, len(b)):]
}

// A position is a cursor in a form that can be compared.
type position struct{ epoch, position int64 }

// parsePosition parses an event's id: epoch-position of Tidings, or second:number of
// Nchan.
func parsePosition(id []byte) position {
	epoch, rest := leadingDigits(id)
	number, _ := leadingDigits(rest)
	return position{epoch, number}
}

// after returns whether p is later in the log than q. A later epoch is later.
func (p position) after(q position) bool {
	return p.epoch > q.epoch || p.epoch == q.epoch && p.position > q.position
}

// Faults counts violations of the promise that each reader receives each acknowledged
// event once and in order. All but Cuts must be 0.
type Faults struct {
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"`
	Cuts       int64 `json:"cuts"` // connections that ended; their readers resumed
}

// any returns whether a promise was broken. Cuts break none.
func (f Faults) any() bool { return f.Lost+f.Duplicated+f.Reordered > 0 }

func (f *Faults) add(g Faults) {
	f.Lost += g.Lost
	f.Duplicated += g.Duplicated
	f.Reordered += g.Reordered
	f.Cuts += g.Cuts
}

// String returns all counts in one line.
func (f Faults) String() string {
	return fmt.Sprintf("lost %d · duplicated %d · reordered %d · readers cut off and resumed %d",
		f.Lost, f.Duplicated, f.Reordered, f.Cuts)
}

// A tally records which events one reader has received since the last finish. Its
// methods are for any goroutine.
type tally struct {
	mu       sync.Mutex // guards all fields below
	base     int        // number of the first event that counts
	received []uint64   // bit i is set if event base+i has arrived
	count    int64      // events in received
	faults   Faults
	last     position // of the last event that arrived
	latency  []time.Duration
	lastAt   time.Duration             // when the last event arrived
	onTake   func(mark, time.Duration) // called for each event, with mu locked; may be nil
}

// take records an event with the cursor id that arrived at a time. It returns false for
// an event that had arrived before.
func (t *tally) take(m mark, id position, at time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.addLocked(m.n - t.base) {
		t.faults.Duplicated++
		return false
	}
	if !id.after(t.last) {
		t.faults.Reordered++
	}
	t.last = id
	t.count++
	t.lastAt = at
	t.latency = append(t.latency, at-m.sent)
	if t.onTake != nil {
		t.onTake(m, at)
	}
	return true
}

// addLocked sets bit i. It returns false if the bit was set before, and for events from
// before the base, which the last finish has counted. t.mu is held.
func (t *tally) addLocked(i int) bool {
	if i < 0 || t.hasLocked(i) {
		return false
	}
	for len(t.received) <= i/64 {
		t.received = append(t.received, 0)
	}
	t.received[i/64] |= 1 << (i % 64)
	return true
}

// hasLocked returns bit i. t.mu is held.
func (t *tally) hasLocked(i int) bool {
	return i/64 < len(t.received) && t.received[i/64]&(1<<(i%64)) != 0
}

// total returns how many events have arrived, without duplicates.
func (t *tally) total() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// watch calls fn for each event that arrives for the first time, with t.mu held.
func (t *tally) watch(fn func(mark, time.Duration)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onTake = fn
}

// cut counts a connection that ended.
func (t *tally) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults.Cuts++
}

// observed is the result of one tally, or the sum of several.
type observed struct {
	received int64 // events, without duplicates
	faults   Faults
	latency  []time.Duration // from the mark's time to the arrival, one an event
	lastAt   time.Duration   // when the last event arrived
}

// finish compares the tally with the numbers of the acknowledged events. Then it resets
// the tally: only events from number next on count from now on.
func (t *tally) finish(acked []int, next int) observed {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range acked {
		if !t.hasLocked(n - t.base) {
			t.faults.Lost++
		}
	}
	result := observed{t.count, t.faults, t.latency, t.lastAt}
	t.base, t.received, t.count, t.faults, t.lastAt = next, nil, 0, Faults{}, 0
	t.latency = make([]time.Duration, 0, len(result.latency))
	return result
}

// sumObserved adds up the results of all readers.
func sumObserved(all []observed) observed {
	var sum observed
	for _, o := range all {
		sum.received += o.received
		sum.faults.add(o.faults)
		sum.lastAt = max(sum.lastAt, o.lastAt)
	}
	sum.latency = slices.Grow(sum.latency, int(sum.received))
	for _, o := range all {
		sum.latency = append(sum.latency, o.latency...)
	}
	return sum
}
