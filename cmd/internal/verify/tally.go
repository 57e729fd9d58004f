package verify

import (
	"fmt"
	"sync"
)

// Faults count what must not happen. All of them are zero after a good run.
type Faults struct {
	// Lost counts acknowledged writes that the log doesn't have, and events that a
	// reader never got though its cursor passed them or the run ended.
	Lost int64 `json:"lost"`
	// Duplicated counts events that a reader got again, and writes the log has twice.
	Duplicated int64 `json:"duplicated"`
	// Reordered counts events that came after a later one, cursors that went back,
	// and rows that appeared in the log behind what had been read.
	Reordered int64 `json:"reordered"`
	// Leaked counts events of topics that the reader had not asked for or may not
	// read, and foreign private topics that were opened.
	Leaked int64 `json:"leaked"`
	// SilentGaps counts the times a cursor passed events that never came, without
	// the server saying so.
	SilentGaps int64 `json:"silentGaps"`
	// Invented counts events that the log doesn't have, or has otherwise, and those of
	// writes that were refused or rolled back.
	Invented int64 `json:"invented"`
	// NeedlessGaps counts gaps announced though the log still had everything.
	NeedlessGaps int64 `json:"needlessGaps"`
	// Cut counts readers who kept reading through a burst and were cut off.
	Cut int64 `json:"cut"`
	// Unfinished counts readers who did not reach the end in time.
	Unfinished int64 `json:"unfinished"`
}

// Any reports whether something happened that must not.
func (f Faults) Any() bool { return f != Faults{} }

// maxNotes bounds what is told of faults one by one; their numbers go on.
const maxNotes = 40

// A tally counts, and tells of the first faults what they were. It may be used from
// any goroutine.
type tally struct {
	mu     sync.Mutex // guards what follows
	faults Faults
	notes  []string
}

// count adds to one of the faults and notes what it was.
func (t *tally) count(which func(*Faults) *int64, by int64, format string, args ...any) {
	if by == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	*which(&t.faults) += by
	if len(t.notes) < maxNotes {
		t.notes = append(t.notes, fmt.Sprintf(format, args...))
	}
}

func (t *tally) sum() (Faults, []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.faults, t.notes
}

func lost(f *Faults) *int64         { return &f.Lost }
func duplicated(f *Faults) *int64   { return &f.Duplicated }
func reordered(f *Faults) *int64    { return &f.Reordered }
func leaked(f *Faults) *int64       { return &f.Leaked }
func silentGaps(f *Faults) *int64   { return &f.SilentGaps }
func invented(f *Faults) *int64     { return &f.Invented }
func needlessGaps(f *Faults) *int64 { return &f.NeedlessGaps }
func cut(f *Faults) *int64          { return &f.Cut }
func unfinished(f *Faults) *int64   { return &f.Unfinished }

// brief is one line for those who watch.
func (f Faults) brief() string {
	if !f.Any() {
		return "nothing"
	}
	return fmt.Sprintf("%+v", f)
}
