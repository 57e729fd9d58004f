package verify

import (
	"sync"
	"time"
)

// A fate is what a writer knows of a write.
type fate uint8

const (
	unanswered   fate = iota // may or may not have happened
	acknowledged             // happened
	refused                  // did not happen: the server said so
	takenBack                // did not happen: rolled back
)

// A ledger holds every write, by its number. It may be used from any goroutine.
type ledger struct {
	began time.Time

	mu     sync.Mutex // guards writes
	writes []entry
}

type entry struct {
	fate fate
	seen uint8 // how often the log has it; 2 stands for more
	at   int64 // when it was answered, in nanoseconds since the ledger began
}

func newLedger() *ledger { return &ledger{began: time.Now()} }

// now is the clock of all latencies: readers and writers share this process.
func (l *ledger) now() int64 { return int64(time.Since(l.began)) }

// begin enters a write that is about to be sent, and returns its number. Nobody
// has answered it until answered is called.
func (l *ledger) begin() int64 { return l.beginMany(1) }

// beginMany enters writes of consecutive numbers and returns the first.
func (l *ledger) beginMany(count int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, make([]entry, count)...)
	return int64(len(l.writes) - count + 1)
}

// answered enters what became of writes, now.
func (l *ledger) answered(f fate, writes ...int64) {
	at := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range writes {
		l.writes[n-1].fate, l.writes[n-1].at = f, at
	}
}

// answeredMany is answered for consecutive numbers.
func (l *ledger) answeredMany(f fate, first int64, count int) {
	at := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.writes[first-1 : first-1+int64(count)] {
		e := &l.writes[first-1+int64(i)]
		e.fate, e.at = f, at
	}
}

// logged notes that the log has the write, and reports whether that is once too
// often.
func (l *ledger) logged(n int64) (twice bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > int64(len(l.writes)) {
		return false // nobody's: the judge of whoever saw it decides
	}
	e := &l.writes[n-1]
	e.seen = min(e.seen+1, 2)
	return e.seen > 1
}

// answeredAt is when the write was acknowledged; false when it was not, or not yet.
func (l *ledger) answeredAt(n int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > int64(len(l.writes)) || l.writes[n-1].fate != acknowledged {
		return 0, false
	}
	return l.writes[n-1].at, true
}

// fates counts the writes by what became of them.
func (l *ledger) fates() (count [takenBack + 1]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.writes {
		count[e.fate]++
	}
	return count
}

// broken returns the writes whose promise the log broke: acknowledged ones that it
// doesn't have, and refused or rolled back ones that it has. It is asked once, when
// all of the log has been logged.
func (l *ledger) broken() (lost, undead []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.writes {
		switch {
		case e.fate == acknowledged && e.seen == 0:
			lost = append(lost, int64(i+1))
		case (e.fate == refused || e.fate == takenBack) && e.seen > 0:
			undead = append(undead, int64(i+1))
		}
	}
	return lost, undead
}
