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

// clockTick is the unit of CPU time in /proc (USER_HZ), the same on every Linux.
const clockTick = 10 * time.Millisecond

// A usage is CPU time so far; nil where it is not known.
type usage struct {
	at       time.Duration
	client   *time.Duration // of this process
	server   *time.Duration
	postgres *time.Duration // of what the server started, or of its database on this machine
}

// usage reads the clocks.
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

// A Cost is what a stretch of work took of the machine; nil is not known.
type Cost struct {
	Seconds  float64 `json:"seconds"`
	Client   *CPU    `json:"client,omitempty"` // readers and writers of this process
	Server   *CPU    `json:"server,omitempty"`
	Postgres *CPU    `json:"postgres,omitempty"`
}

type processCPU struct {
	name string
	cpu  *CPU // nil if it is not known
}

func (c Cost) processes() []processCPU {
	return []processCPU{{"this client", c.Client}, {"server", c.Server}, {"Postgres", c.Postgres}}
}

// A CPU is CPU time by the clock and by what was done.
type CPU struct {
	Cores      float64 `json:"cores"` // CPU seconds a second
	MicrosEach float64 `json:"microsEach"`
}

// costSince is the cost of n things done since.
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

// A processTime is what /proc tells of a process.
type processTime struct {
	parent int
	own    time.Duration
	reaped time.Duration // of children that ended
}

// processStat reads /proc/PID/stat (proc_pid_stat(5)), where there is one.
func processStat(pid int) (p processTime, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	return parseStat(text)
}

// parseStat begins after the program's name, which may hold anything.
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

// descendants are all processes that a process started, and what those started.
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
	for i := 0; i < len(all); i++ { // it grows
		all = append(all, children[all[i]]...)
	}
	return all
}

// timeOf is the CPU time of processes, nil when there are none.
func timeOf(pids []int) *time.Duration {
	if len(pids) == 0 {
		return nil
	}
	var sum time.Duration
	for _, id := range pids {
		p, _ := processStat(id) // one that has just ended has none
		sum += p.own + p.reaped
	}
	return &sum
}

const (
	stillFor  = 10  // looks, a tenth of a second apart, at which memory kept still
	stillOver = 200 // looks, after which it is taken as it is
)

// resident waits until the server's resident memory keeps still, and returns it in
// KB; 0 when it is not known.
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

func (t *target) residentNow() float64 {
	sum := residentOf(t.pid)
	if t.includeChildren {
		for _, id := range descendants(t.pid) {
			sum += residentOf(id)
		}
	}
	return sum
}

// residentOf reads VmRSS of /proc/PID/status.
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
