package verify

import (
	"fmt"
	"sync"
)

// Faults counts what must not happen. All counts of a good run are zero.
type Faults struct {
	// Lost counts acknowledged writes that the log does not have, and events that a
	// reader did not get although its cursor passed them or the run ended.
	Lost int64 `json:"lost"`
	// Duplicated counts events that a reader got again, and writes that the log has
	// twice.
	Duplicated int64 `json:"duplicated"`
	// Reordered counts events that came after a later one, cursors that went back, and
	// rows that appeared in the log below a position that had been read.
	Reordered int64 `json:"reordered"`
	// Leaked counts events of topics that the reader had not asked for or may not
	// read, and private topics that an unauthorized reader could open.
	Leaked int64 `json:"leaked"`
	// SilentGaps counts how often a cursor passed events that did not arrive, without
	// an announced gap.
	SilentGaps int64 `json:"silentGaps"`
	// Invented counts events that the log does not have or has with other content,
	// and writes in the log that were refused or rolled back.
	Invented int64 `json:"invented"`
	// NeedlessGaps counts announced gaps although the log still had everything.
	NeedlessGaps int64 `json:"needlessGaps"`
	// Cut counts streams that kept reading during a burst and were ended.
	Cut int64 `json:"cut"`
	// Differing counts differences between a page that followed the events and the same page
	// loaded again.
	Differing int64 `json:"differing"`
	// Unfinished counts readers that did not reach the end in time.
	Unfinished int64 `json:"unfinished"`
}

// Any reports whether there is a fault.
func (f Faults) Any() bool { return f != Faults{} }

// brief returns the counts as one line, for the progress line.
func (f Faults) brief() string {
	if !f.Any() {
		return "none"
	}
	return fmt.Sprintf("%+v", f)
}

// A faultKind selects one count of Faults.
type faultKind func(*Faults) *int64

func lost(f *Faults) *int64         { return &f.Lost }
func duplicated(f *Faults) *int64   { return &f.Duplicated }
func reordered(f *Faults) *int64    { return &f.Reordered }
func leaked(f *Faults) *int64       { return &f.Leaked }
func silentGaps(f *Faults) *int64   { return &f.SilentGaps }
func invented(f *Faults) *int64     { return &f.Invented }
func needlessGaps(f *Faults) *int64 { return &f.NeedlessGaps }
func cut(f *Faults) *int64          { return &f.Cut }
func differing(f *Faults) *int64    { return &f.Differing }
func unfinished(f *Faults) *int64   { return &f.Unfinished }

// mostNotes bounds the number of faults that are described one by one. All faults are
// counted.
const mostNotes = 40

// findings are the faults found so far. They may be used from any goroutine.
type findings struct {
	mu     sync.Mutex // guards the fields below
	faults Faults
	notes  []string
}

// add adds to one count and notes what happened. It does nothing if by is 0.
func (f *findings) add(kind faultKind, by int64, format string, args ...any) {
	if by == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	*kind(&f.faults) += by
	if len(f.notes) < mostNotes {
		f.notes = append(f.notes, fmt.Sprintf(format, args...))
	}
}

// sum returns the counts so far and a note for each of the first faults.
func (f *findings) sum() (Faults, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults, f.notes
}
