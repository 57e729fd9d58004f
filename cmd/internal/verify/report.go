package verify

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/printable"
)

// A Report is the result of a run.
type Report struct {
	Began        time.Time `json:"began"`
	Seconds      float64   `json:"seconds"`
	Seed         uint64    `json:"seed"`
	Run          string    `json:"run"` // part of the ids of all posts and users of this run
	Servers      int       `json:"servers"`
	Readers      int       `json:"readers"`
	Writers      int       `json:"writers"`
	WithLog      bool      `json:"comparedWithLog"`
	LogEvents    int64     `json:"logEvents"` // of this run's topics
	Private      bool      `json:"privateTopics"`
	Refused      int64     `json:"writesRefused"`
	RolledBack   int64     `json:"writesRolledBack"`
	Unanswered   int64     `json:"writesUnanswered"`
	Acknowledged int64     `json:"writesAcknowledged"`
	Deliveries   int64     `json:"deliveries"`
	Hops         int64     `json:"hops"` // of readers, between servers and transports
	Streams      int64     `json:"streams"`
	Polls        int64     `json:"polls"`
	RefusedReads int64     `json:"intrudersTurnedAway"` // refused reads of other users' topics
	// Decided counts, by kind of write, the likes and comments whose last state was acknowledged
	// and compared, and those with a write without an answer.
	Decided map[string]Decision `json:"decided"`

	Faults
	AnnouncedGaps int64   `json:"announcedGaps"`
	Latency       Latency `json:"latency"`

	Injected map[string]int64 `json:"injected,omitempty"`           // number of injected faults by kind
	Problems map[string]int   `json:"connectionProblems,omitempty"` // how often each error happened
	Notes    []string         `json:"notes,omitempty"`              // describe the first faults
	Logs     string           `json:"logs,omitempty"`               // folder of a cluster that had faults
	// Incomplete says what was not checked and why. A report is a pass only if it is empty
	// and there are no faults.
	Incomplete []string `json:"incomplete,omitempty"`
}

// A Decision counts what could be decided, how much of it was wrong, and what could not be decided.
type Decision struct {
	Decided   int64 `json:"decided"`
	Wrong     int64 `json:"wrong"`
	Undecided int64 `json:"undecided"`
}

// report makes the report of a run that was checked.
func (r *run) report() *Report {
	outcomes := r.writes.outcomes()
	faults, notes := r.findings.sum()
	rep := &Report{
		Began: r.began.UTC(), Seconds: time.Since(r.began).Seconds(), Seed: r.cfg.Seed, Run: r.participants.run,
		Servers: len(r.servers), Readers: r.cfg.Readers, Writers: r.cfg.Writers,
		WithLog: r.checker.recorder != nil, LogEvents: r.checker.log.rows, Private: r.participants.private(),
		Acknowledged: outcomes[acknowledged], Unanswered: outcomes[unanswered], Refused: outcomes[refused], RolledBack: outcomes[rolledBack],
		Hops: r.progress.hops.Load(), Streams: r.progress.streams.Load(), Polls: r.progress.polls.Load(),
		Faults: faults, Notes: notes, Latency: r.checker.times.latency(), Problems: r.progress.problemCounts(),
		Decided: make(map[string]Decision), Incomplete: r.leftOut,
	}
	for k, d := range r.decided {
		rep.Decided[kindNames[k]] = d
	}
	rep.Deliveries, rep.AnnouncedGaps = r.checker.delivered()
	if r.unauthorized != nil {
		rep.RefusedReads = r.unauthorized.refusals
	}
	if r.injector != nil {
		rep.Injected = r.injector.injected()
	}
	return rep
}

// Print writes the report as a table. Text of servers adds no line.
func (r *Report) Print(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	reference := "all events that any reader got"
	if r.WithLog {
		reference = fmt.Sprintf("the log (%d events)", r.LogEvents)
	}
	p("%d readers and %d writers at %d servers for %.0f s, seed %d, compared with %s", r.Readers, r.Writers, r.Servers, r.Seconds, r.Seed, reference)
	p("")
	for _, line := range []struct {
		name  string
		count int64
	}{
		{"acknowledged writes", r.Acknowledged}, {"  unanswered", r.Unanswered}, {"  refused", r.Refused}, {"  rolled back", r.RolledBack},
		{"deliveries", r.Deliveries}, {"hops of readers", r.Hops}, {"unauthorized refused", r.RefusedReads},
		{"", -1},
		{"lost", r.Lost}, {"duplicated", r.Duplicated}, {"reordered", r.Reordered}, {"leaked", r.Leaked},
		{"silent gaps", r.SilentGaps}, {"invented", r.Invented}, {"needless gaps", r.NeedlessGaps},
		{"cut while reading", r.Cut}, {"pages differ", r.Differing}, {"readers unfinished", r.Unfinished},
		{"", -1},
		{"announced gaps", r.AnnouncedGaps},
	} {
		if line.name == "" {
			p("")
			continue
		}
		p("  %-24s %10d", line.name, line.count)
	}
	p("")
	for _, name := range kindNames {
		d := r.Decided[name]
		p("  %-24s %10d decided %10d wrong %10d undecided", name, d.Decided, d.Wrong, d.Undecided)
	}
	p("")
	p("  %-24s %10.1f p50 %10.1f p99 %10.1f max ms, of %d", "commit to reader", r.Latency.P50, r.Latency.P99, r.Latency.Max, r.Latency.Count)
	r.printLists(p)
}

func (r *Report) printLists(p func(string, ...any)) {
	if len(r.Injected) > 0 {
		p("\ninjected faults")
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Injected)) {
		p("  %-24s %10d", kind, r.Injected[kind])
	}
	if len(r.Problems) > 0 {
		p("\nerrors after which clients tried again")
	}
	for _, text := range slices.Sorted(maps.Keys(r.Problems)) {
		p("  %7d× %.120s", r.Problems[text], printable.Line(text))
	}
	if len(r.Notes) > 0 {
		p("\nwhat went wrong")
	}
	for _, n := range r.Notes {
		p("  %s", printable.Line(n))
	}
	if len(r.Incomplete) > 0 {
		p("\nthis report is incomplete")
	}
	for _, reason := range r.Incomplete {
		p("  %s", printable.Line(reason))
	}
	if r.Logs != "" {
		p("\nlogs: %s", r.Logs)
	}
}
