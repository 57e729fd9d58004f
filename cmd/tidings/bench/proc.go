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
	postgres *time.Duration // of what the server started: of a private Postgres
}

// usage reads the clocks.
func (t *target) usage() usage {
	u := usage{at: t.now()}
	if p, ok := processStat(os.Getpid()); ok {
		u.client = &p.own
	}
	if p, ok := processStat(t.pid); ok {
		u.server, u.postgres = &p.own, descendants(t.pid)
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

// descendants is the CPU time of everything that a process started, nil when there
// is nothing.
func descendants(pid int) *time.Duration {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // fails on a malformed pattern only
	children := map[int][]int{}
	times := map[int]processTime{}
	for _, path := range stats {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if p, ok := processStat(id); ok {
			times[id] = p
			children[p.parent] = append(children[p.parent], id)
		}
	}
	if len(children[pid]) == 0 {
		return nil
	}
	var sum time.Duration
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		id := queue[0]
		queue = append(queue, children[id]...)
		sum += times[id].own + times[id].reaped
	}
	return &sum
}

// resident waits until the server's resident memory keeps still, and returns it in
// KB; 0 when it is not known.
func (t *target) resident(ctx context.Context) float64 {
	const still, looks = 5, 50
	last, same := residentOf(t.pid), 0
	for i := 0; i < looks && same < still; i++ {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0
		}
		rss := residentOf(t.pid)
		if math.Abs(rss-last) <= last/200 {
			same++
		} else {
			same = 0
		}
		last = rss
	}
	return last
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
