package verify

import (
	"sync"
	"time"
)

// An outcome is what a writer knows about a write.
type outcome uint8

const (
	unanswered   outcome = iota // may or may not have happened
	acknowledged                // happened
	refused                     // did not happen: the server refused it
	rolledBack                  // did not happen: its transaction was rolled back
)

// A writeLog has an entry for each numbered write. Numbers begin with 1. Writers add
// writes and record their outcomes; the checker records which of them it found in the
// log copy. It may be used from any goroutine.
type writeLog struct {
	began time.Time

	mu      sync.Mutex // guards the fields below
	writes  []loggedWrite
	changed map[string]int64 // numbers of the writes whose comments writers change, by id
}

type loggedWrite struct {
	outcome outcome
	found   uint8  // how often the log copy has it; 2 means twice or more
	comment string // id of the comment that was found; "": the write is no comment
	at      int64  // when the outcome was recorded, as now gives it
}

func newWriteLog() *writeLog { return &writeLog{began: time.Now(), changed: make(map[string]int64)} }

// now is the time since the write log was made, in nanoseconds. All latencies use this
// clock: readers and writers share the process.
func (l *writeLog) now() int64 { return int64(time.Since(l.began)) }

// add adds a write that is about to be sent and returns its number. The write is
// unanswered until record is called.
func (l *writeLog) add() int64 { return l.addMany(1) }

// addMany adds writes with consecutive numbers and returns the first number.
func (l *writeLog) addMany(count int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, make([]loggedWrite, count)...)
	return int64(len(l.writes) - count + 1)
}

// record sets the outcome of writes and the time of the answer, which is now.
func (l *writeLog) record(o outcome, writes ...int64) {
	at := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range writes {
		l.writes[n-1].outcome, l.writes[n-1].at = o, at
	}
}

// recordMany is record for consecutive numbers.
func (l *writeLog) recordMany(o outcome, first int64, count int) {
	at := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.writes[first-1 : first-1+int64(count)] {
		w := &l.writes[first-1+int64(i)]
		w.outcome, w.at = o, at
	}
}

// found records that the log copy has the write. comment is the id of the comment that was
// written, if it is one. It returns true if the log copy had the write before; a comment that is
// shown again is the same write. A number that is not in the write log is ignored: the check of
// the reader that got such an event decides.
func (l *writeLog) found(n int64, comment string) (twice bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > int64(len(l.writes)) {
		return false
	}
	w := &l.writes[n-1]
	if w.found > 0 && comment != "" && w.comment == comment {
		return false
	}
	w.found, w.comment = min(w.found+1, 2), comment
	return w.found > 1
}

// changes notes that the comment of a write is about to be edited, hidden or deleted. The log then
// has its events without the text that has the number.
func (l *writeLog) changes(comment string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed[comment] = n
}

// number is the number of the write that caused an event; 0 for none.
func (l *writeLog) number(e summary) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.changed[e.comment]; ok && e.name == "new-comment" {
		return n
	}
	return e.n
}

// has reports whether there is a write with the number.
func (l *writeLog) has(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return n >= 1 && n <= int64(len(l.writes))
}

// acknowledgedAt is when the write was acknowledged. It returns false if the write was
// not acknowledged, or not yet.
func (l *writeLog) acknowledgedAt(n int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > int64(len(l.writes)) || l.writes[n-1].outcome != acknowledged {
		return 0, false
	}
	return l.writes[n-1].at, true
}

// outcomes counts the writes by outcome.
func (l *writeLog) outcomes() (count [rolledBack + 1]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writes {
		count[w.outcome]++
	}
	return count
}

// violations returns the acknowledged writes that the log copy does not have and the
// refused or rolled back writes that it has. It is called once, when found has been
// called for the whole log copy.
func (l *writeLog) violations() (missing, unwanted []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.writes {
		switch {
		case w.outcome == acknowledged && w.found == 0:
			missing = append(missing, int64(i+1))
		case (w.outcome == refused || w.outcome == rolledBack) && w.found > 0:
			unwanted = append(unwanted, int64(i+1))
		}
	}
	return missing, unwanted
}
