package bench

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc (USER_HZ), which is the same on all of
// Linux' common architectures.
const clockTick = 10 * time.Millisecond

// A usage is the CPU time of processes since their start; nil if it is not known.
type usage struct {
	at       time.Duration
	client   *time.Duration // this process: readers and writers
	server   *time.Duration
	postgres *time.Duration // Postgres: the server's child processes, or the processes of postmaster
}

// usage reads the CPU time of all processes now.
func (t *target) usage() usage {
	u := usage{at: t.now()}
	if p, ok := processStat(os.Getpid()); ok {
		u.client = &p.own
	}
	if p, ok := processStat(t.pid); ok {
		u.server, u.postgres = &p.own, timeOf(descendants(t.pid))
		if t.includeChildren && u.postgres != nil {
			*u.server += *u.postgres
			u.postgres = nil
		}
	}
	if t.postmaster != 0 {
		u.postgres = timeOf(append(descendants(t.postmaster), t.postmaster))
	}
	return u
}

// A Cost is the CPU time that work took; nil for processes whose time is not known.
type Cost struct {
	Seconds  float64 `json:"seconds"`
	Client   *CPU    `json:"client,omitempty"` // readers and writers of this process
	Server   *CPU    `json:"server,omitempty"`
	Postgres *CPU    `json:"postgres,omitempty"`
}

// processCPU is the CPU time of one of the processes in a Cost.
type processCPU struct {
	name string
	cpu  *CPU // nil if it is not known
}

// processes returns the CPU time of all processes, with their names.
func (c Cost) processes() []processCPU {
	return []processCPU{{"this client", c.Client}, {"server", c.Server}, {"Postgres", c.Postgres}}
}

// A CPU is the CPU time of a process during some work, divided by the time that passed
// and by the amount of work.
type CPU struct {
	Cores      float64 `json:"cores"`      // CPU seconds per second
	MicrosEach float64 `json:"microsEach"` // CPU microseconds per delivery, comment, like or cycle
}

// costSince returns the CPU time since u, for n deliveries or other units of work.
func (t *target) costSince(u usage, n int64) Cost {
	v := t.usage()
	elapsed := v.at - u.at
	cost := func(from, to *time.Duration) *CPU {
		if from == nil || to == nil {
			return nil
		}
		return &CPU{ratioOf(float64(*to-*from), float64(elapsed)), microsEach(*to-*from, n)}
	}
	return Cost{
		Seconds: elapsed.Seconds(),
		Client:  cost(u.client, v.client), Server: cost(u.server, v.server), Postgres: cost(u.postgres, v.postgres),
	}
}

// A processTime is the part of /proc/PID/stat that bench uses.
type processTime struct {
	parent int
	own    time.Duration // CPU time of the process
	reaped time.Duration // CPU time of children that have ended and been waited for
}

// processStat reads /proc/PID/stat (proc_pid_stat(5)). It returns false if there is none.
func processStat(pid int) (p processTime, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	return parseStat(text)
}

// parseStat parses /proc/PID/stat. It begins after the program's name, which may contain
// spaces and parentheses.
func parseStat(text []byte) (p processTime, ok bool) {
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 15 {
		return p, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(f[i]))
		return n
	}
	ticks := func(i int) time.Duration { return time.Duration(number(i)+number(i+1)) * clockTick }
	return processTime{parent: number(1), own: ticks(11), reaped: ticks(13)}, true
}

// descendants returns the processes that a process started, directly or indirectly.
func descendants(pid int) (all []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // fails on a malformed pattern only
	children := map[int][]int{}
	for _, path := range stats {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if p, ok := processStat(id); ok {
			children[p.parent] = append(children[p.parent], id)
		}
	}
	all = children[pid]
	for i := 0; i < len(all); i++ { // all grows in the loop
		all = append(all, children[all[i]]...)
	}
	return all
}

// timeOf returns the CPU time of processes together, or nil if there are none.
func timeOf(pids []int) *time.Duration {
	if len(pids) == 0 {
		return nil
	}
	var sum time.Duration
	for _, id := range pids {
		p, _ := processStat(id) // zero for a process that has just ended
		sum += p.own + p.reaped
	}
	return &sum
}

const (
	stillFor  = 10  // reads in a row, 100 ms apart, that must differ by less than 0.5 %
	stillOver = 200 // reads after which resident gives up and returns the last
)

// resident waits up to 20 seconds until the server's resident memory stops changing, and
// returns it in KB. It is 0 if the process is not known or ctx ends.
func (t *target) resident(ctx context.Context) float64 {
	if t.pid == 0 {
		return 0
	}
	last, same := t.residentNow(), 0
	for i := 0; i < stillOver && same < stillFor; i++ {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0
		}
		rss := t.residentNow()
		if math.Abs(rss-last) <= last/200 {
			same++
		} else {
			same = 0
		}
		last = rss
	}
	return last
}

// residentNow returns the server's resident memory in KB.
func (t *target) residentNow() float64 {
	sum := residentOf(t.pid)
	if t.includeChildren {
		for _, id := range descendants(t.pid) {
			sum += residentOf(id)
		}
	}
	return sum
}

// residentOf returns VmRSS of /proc/PID/status in KB, or 0 if it is not known.
func residentOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || pid == 0 {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(rest, "kB")
	kb, _ := strconv.ParseFloat(strings.TrimSpace(line), 64)
	return kb
}
