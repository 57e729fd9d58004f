package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// logInterval is the time between two lines about the progress of one step.
const logInterval = 2 * time.Second

// A Report has the figures of all sections that were measured. Times are in milliseconds
// or seconds, memory is in KB, as the JSON names say.
type Report struct {
	Began      time.Time   `json:"began"`
	Machine    *Machine    `json:"machine"`
	Latency    *Latency    `json:"latency,omitempty"`
	Writes     []Writes    `json:"writes,omitempty"`
	Likes      *Likes      `json:"likes,omitempty"`
	Lists      *Lists      `json:"lists,omitempty"`
	Conditions *Conditions `json:"conditions,omitempty"`
	Fanout     *Fanout     `json:"fanout,omitempty"`
	Storm      *Storm      `json:"storm,omitempty"`
	Churn      *Churn      `json:"churn,omitempty"`
	Presence   *Presence   `json:"presence,omitempty"`
}

// ErrFaults is the verdict on a server that lost, duplicated or reordered events, counted likes
// wrongly, or sent presence or typing more often than it promises.
var ErrFaults = errors.New("events did not arrive once each and in order: see above")

// Verdict returns ErrFaults if a section found faults, and nil otherwise.
func (r *Report) Verdict() error {
	if r.faults().any() {
		return ErrFaults
	}
	return nil
}

// faults adds up the faults of all sections.
func (r *Report) faults() (sum Faults) {
	if r.Latency != nil {
		sum.add(r.Latency.Faults)
	}
	for _, w := range r.Writes {
		sum.add(w.Faults)
	}
	if r.Likes != nil && r.Likes.wrong() {
		sum.Lost++
	}
	if r.Conditions != nil {
		for _, each := range r.Conditions.Each {
			sum.add(each.Faults)
		}
	}
	if r.Fanout != nil {
		sum.add(r.Fanout.Paced.Faults)
		sum.add(r.Fanout.FlatOut.Faults)
	}
	if r.Storm != nil {
		sum.add(r.Storm.Delivery.Faults)
	}
	if r.Presence != nil && r.Presence.wrong() {
		sum.Duplicated++
	}
	return sum
}

// A Machine describes this machine and the server's Postgres, which may be on another.
type Machine struct {
	System   string `json:"system"`
	CPU      string `json:"cpu,omitempty"`
	Cores    int    `json:"cores"`
	Go       string `json:"go"`
	Postgres string `json:"postgres,omitempty"`
	Fsync    string `json:"fsync,omitempty"`
	Commit   string `json:"synchronousCommit,omitempty"`
}

// ThisMachine returns a description of this machine, without Postgres.
func ThisMachine() Machine {
	return Machine{System: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version()}
}

// machineOf describes this machine and the settings of the target's Postgres, if known.
func machineOf(ctx context.Context, t *target) *Machine {
	m := ThisMachine()
	m.Postgres = databaseSetting(ctx, t.dsn, "server_version")
	m.Fsync = databaseSetting(ctx, t.dsn, "fsync")
	m.Commit = databaseSetting(ctx, t.dsn, "synchronous_commit")
	return &m
}

// cpuModel returns the first CPU's name, or "" where there is no /proc.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(text), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimLeft(line, "\t :")
}

// A printer writes tables of figures, and lines about the progress.
type printer struct {
	tables   io.Writer
	progress io.Writer
}

// newPrinter returns a printer. Both writers may be the same.
func newPrinter(tables, progress io.Writer) printer {
	var one sync.Mutex
	return printer{tables: sharedWriter{&one, tables}, progress: sharedWriter{&one, progress}}
}

// A sharedWriter is for several goroutines. Both writers of a printer share one mutex.
type sharedWriter struct {
	one *sync.Mutex // guards to
	to  io.Writer
}

// Write implements io.Writer for any goroutine.
func (w sharedWriter) Write(b []byte) (int, error) {
	w.one.Lock()
	defer w.one.Unlock()
	return w.to.Write(b)
}

// logf writes a line about the progress.
func (p printer) logf(format string, args ...any) {
	fmt.Fprintf(p.progress, "bench: "+format+"\n", args...)
}

// machine writes the line above all tables.
func (p printer) machine(m *Machine) {
	postgres := "Postgres unknown (set --database-url)"
	if m.Postgres != "" {
		postgres = fmt.Sprintf("Postgres %s, fsync %s, synchronous_commit %s", m.Postgres, m.Fsync, m.Commit)
	}
	fmt.Fprintf(p.tables, "%d cores of %s, shared by the server, Postgres and this client · %s · %s · %s\n",
		m.Cores, cmp.Or(m.CPU, "unknown kind"), m.System, m.Go, postgres)
}

// logDuring writes a line about the progress every logInterval until done is called.
func (p printer) logDuring(how func() string) (done func()) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(logInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.logf("%s", how())
			case <-stop:
				return
			}
		}
	})
	return func() { close(stop); running.Wait() }
}

// line writes an indented line below a table.
func (p printer) line(format string, args ...any) {
	fmt.Fprintf(p.tables, "  "+format+"\n", args...)
}

// cost writes the CPU time of each process: cores in use, and µs per unit of work.
func (p printer) cost(indent string, c Cost, what string) {
	var cores, each []string
	for _, of := range c.processes() {
		if of.cpu != nil {
			cores = append(cores, fmt.Sprintf("%s %.2f", of.name, of.cpu.Cores))
			each = append(each, fmt.Sprintf("%s %.1f", of.name, of.cpu.MicrosEach))
		}
	}
	if len(cores) == 0 {
		p.line("%sCPU unknown: there is no /proc here", indent)
		return
	}
	p.line("%scores busy: %s", indent, strings.Join(cores, " · "))
	p.line("%sCPU µs per %s: %s", indent, what, strings.Join(each, " · "))
}

// A table has a title and columns of percentiles.
type table struct{ out io.Writer }

// heading writes the title of a section without a table.
func (p printer) heading(format string, args ...any) {
	fmt.Fprintf(p.tables, "\n"+format+"\n", args...)
}

// table writes the heading of a table.
func (p printer) table(format string, args ...any) table {
	title := fmt.Sprintf(format, args...)
	fmt.Fprintf(p.tables, "\n%-68s %9s %9s %9s\n", title, "p50 ms", "p99 ms", "max ms")
	return table{p.tables}
}

// times writes a row: the name and three percentiles in milliseconds.
func (t table) times(name string, s Summary) {
	fmt.Fprintf(t.out, "  %-66s %9.2f %9.2f %9.2f\n", name, s.P50, s.P99, s.Max)
}
