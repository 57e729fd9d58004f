package verify

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// A Report is what a run found.
type Report struct {
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`
	Seed     uint64    `json:"seed"`
	Run      string    `json:"run"` // part of the names of all posts and users of this run
	Servers  int       `json:"servers"`
	Readers  int       `json:"readers"`
	Writers  int       `json:"writers"`
	WithLog  bool      `json:"comparedWithLog"`
	LogRows  int64     `json:"logEvents"` // of this run's topics
	Private  bool      `json:"privateTopics"`
	Refused  int64     `json:"writesRefused"`
	Undone   int64     `json:"writesRolledBack"`
	Unknown  int64     `json:"writesUnanswered"`
	Writes   int64     `json:"writesAcknowledged"`
	Arrived  int64     `json:"deliveries"`
	Hops     int64     `json:"hops"` // of readers, between servers and transports
	Streams  int64     `json:"streams"`
	Polls    int64     `json:"polls"`
	Intruded int64     `json:"intrudersTurnedAway"`

	Faults
	AnnouncedGaps int64   `json:"announcedGaps"`
	Latency       Latency `json:"latency"`

	Injected map[string]int64 `json:"injected,omitempty"` // faults, by kind
	Problems map[string]int   `json:"connectionProblems,omitempty"`
	Notes    []string         `json:"notes,omitempty"` // the first faults, one by one
	Logs     string           `json:"logs,omitempty"`  // where to read on, after a bad run of our own servers
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	truth := "what all readers saw"
	if r.WithLog {
		truth = fmt.Sprintf("the log (%d events)", r.LogRows)
	}
	p("%d readers and %d writers at %d servers for %.0f s, seed %d, compared with %s", r.Readers, r.Writers, r.Servers, r.Seconds, r.Seed, truth)
	p("")
	for _, line := range []struct {
		name  string
		count int64
	}{
		{"acknowledged writes", r.Writes}, {"  unanswered", r.Unknown}, {"  refused", r.Refused}, {"  rolled back", r.Undone},
		{"deliveries", r.Arrived}, {"hops of readers", r.Hops}, {"intruders turned away", r.Intruded},
		{"", -1},
		{"lost", r.Lost}, {"duplicated", r.Duplicated}, {"reordered", r.Reordered}, {"leaked", r.Leaked},
		{"silent gaps", r.SilentGaps}, {"invented", r.Invented}, {"needless gaps", r.NeedlessGaps},
		{"cut while reading", r.Cut}, {"readers unfinished", r.Unfinished},
		{"", -1},
		{"announced gaps", r.AnnouncedGaps},
	} {
		if line.name == "" {
			p("")
			continue
		}
		p("  %-24s %10d", line.name, line.count)
	}
	p("  %-24s %10.1f p50 %10.1f p99 %10.1f max ms, of %d", "commit to reader", r.Latency.P50, r.Latency.P99, r.Latency.Max, r.Latency.Count)
	r.printLists(p)
}

func (r *Report) printLists(p func(string, ...any)) {
	if len(r.Injected) > 0 {
		p("\nfaults injected")
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Injected)) {
		p("  %-24s %10d", kind, r.Injected[kind])
	}
	if len(r.Problems) > 0 {
		p("\nproblems that clients met, and got over")
	}
	for _, text := range slices.Sorted(maps.Keys(r.Problems)) {
		p("  %7d× %.120s", r.Problems[text], text)
	}
	if len(r.Notes) > 0 {
		p("\nwhat went wrong")
	}
	for _, n := range r.Notes {
		p("  %s", n)
	}
	if r.Logs != "" {
		p("\nlogs: %s", r.Logs)
	}
}
