package bench

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A mark is carried by each event of ours: which one it is, and when it was
// sent by the clock of the target.
type mark struct {
	n    int
	sent time.Duration
}

const markWord = "bench-mark "

func (m mark) String() string {
	return markWord + strconv.Itoa(m.n) + " " + strconv.FormatInt(int64(m.sent), 10) + " "
}

// findMark finds the first mark in an event's data.
func findMark(data []byte) (mark, bool) {
	at := bytes.Index(data, []byte(markWord))
	if at < 0 {
		return mark{}, false
	}
	n, rest := leadingDigits(data[at+len(markWord):])
	sent, _ := leadingDigits(rest)
	return mark{int(n), time.Duration(sent)}, true
}

// leadingDigits reads a number and what separates it from the rest.
func leadingDigits(b []byte) (n int64, rest []byte) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	return n, b[min(i+1, len(b)):]
}

// A position is a cursor that can be compared.
type position struct{ epoch, position int64 }

// parsePosition reads our own ids, epoch-position, and those of Nchan: second:number.
func parsePosition(id []byte) position {
	epoch, rest := leadingDigits(id)
	number, _ := leadingDigits(rest)
	return position{epoch, number}
}

func (p position) after(q position) bool {
	return p.epoch > q.epoch || p.epoch == q.epoch && p.position > q.position
}

// Faults are what must all be 0, but for cuts: a reader that was cut off goes
// on from its cursor.
type Faults struct {
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"`
	Cuts       int64 `json:"cuts"`
}

func (f Faults) any() bool { return f.Lost+f.Duplicated+f.Reordered > 0 }

func (f *Faults) add(g Faults) {
	f.Lost += g.Lost
	f.Duplicated += g.Duplicated
	f.Reordered += g.Reordered
	f.Cuts += g.Cuts
}

// String is all of them in one line.
func (f Faults) String() string {
	return fmt.Sprintf("lost %d · duplicated %d · reordered %d · readers cut off and resumed %d",
		f.Lost, f.Duplicated, f.Reordered, f.Cuts)
}

// A tally is what one reader saw of the events numbered from base on.
type tally struct {
	mu       sync.Mutex // guards the rest; a reader writes, settle looks on
	base     int
	seen     []uint64 // a bit each
	received int64    // without duplicates
	faults   Faults
	last     position
	latency  []time.Duration
	lastAt   time.Duration
	onTake   func(mark, time.Duration) // may be nil
}

// take notes an event that arrived, and returns whether it was new.
func (t *tally) take(m mark, id position, at time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.first(m.n - t.base) {
		t.faults.Duplicated++
		return false
	}
	if !id.after(t.last) {
		t.faults.Reordered++
	}
	t.last = id
	t.received++
	t.lastAt = at
	t.latency = append(t.latency, at-m.sent)
	if t.onTake != nil {
		t.onTake(m, at)
	}
	return true
}

// first notes that event i was seen, and returns whether it was new. One from before
// the base was counted already.
func (t *tally) first(i int) bool {
	if i < 0 || t.has(i) {
		return false
	}
	for len(t.seen) <= i/64 {
		t.seen = append(t.seen, 0)
	}
	t.seen[i/64] |= 1 << (i % 64)
	return true
}

func (t *tally) has(i int) bool {
	return i/64 < len(t.seen) && t.seen[i/64]&(1<<(i%64)) != 0
}

func (t *tally) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.received
}

// watch has fn told of each event at its first sight, under the lock.
func (t *tally) watch(fn func(mark, time.Duration)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onTake = fn
}

func (t *tally) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults.Cuts++
}

// A sight is what a tally came to.
type sight struct {
	received int64
	faults   Faults
	latency  []time.Duration
	lastAt   time.Duration
}

// finish compares with what was acknowledged, and begins anew with events from next on.
func (t *tally) finish(acked []int, next int) sight {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range acked {
		if !t.has(n - t.base) {
			t.faults.Lost++
		}
	}
	sight := sight{t.received, t.faults, t.latency, t.lastAt}
	t.base, t.seen, t.received, t.faults, t.lastAt = next, nil, 0, Faults{}, 0
	t.latency = make([]time.Duration, 0, len(sight.latency))
	return sight
}

// sumSights puts the sights of all readers together.
func sumSights(sights []sight) sight {
	var sum sight
	for _, s := range sights {
		sum.received += s.received
		sum.faults.add(s.faults)
		sum.lastAt = max(sum.lastAt, s.lastAt)
	}
	sum.latency = slices.Grow(sum.latency, int(sum.received))
	for _, s := range sights {
		sum.latency = append(sum.latency, s.latency...)
	}
	return sum
}
