package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// progressEvery is the time between two progress lines.
	progressEvery = 2 * time.Second
	// mostProblems bounds the number of different problems that are counted.
	mostProblems = 40
)

// progress counts the actions of a run, for the progress line and the report. It may be
// used from any goroutine.
type progress struct {
	events, hops, gaps, streams, polls, writes atomic.Int64
	changes                                    [kinds]atomic.Int64 // that were acknowledged

	mu       sync.Mutex     // guards problems
	problems map[string]int // by text
}

func newProgress() *progress { return &progress{problems: make(map[string]int)} }

// changed counts a write of a kind that was acknowledged.
func (p *progress) changed(k kind, o outcome) {
	if o == acknowledged {
		p.changes[k].Add(1)
	}
}

// addresses matches the addresses of connections in the texts of errors. Without the
// addresses, errors of the same kind have the same text.
var addresses = regexp.MustCompile(` (tcp |unix )?[0-9.]+:\d+(->[0-9.]+:\d+)?`)

// problem counts an error of a connection. Such errors are expected when servers
// restart: they are no faults.
func (p *progress) problem(err error) {
	text := addresses.ReplaceAllString(err.Error(), "")
	if failed := (*pgconn.ConnectError)(nil); errors.As(err, &failed) {
		text = "cannot connect to Postgres"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.problems[text]; ok || len(p.problems) < mostProblems {
		p.problems[text]++
	}
}

// problemCounts returns how often each problem happened so far.
func (p *progress) problemCounts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.problems)
}

// showProgress writes a line every two seconds until ctx ends.
func (r *run) showProgress(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		faults, _ := r.findings.sum()
		injected := ""
		if r.injector != nil {
			injected = " · " + r.injector.status()
		}
		fmt.Fprintf(r.cfg.Progress, "verify: %3.0f s · %d writes · %d events read · %d hops · %d gaps announced · faults found: %s%s\n",
			time.Since(r.began).Seconds(), r.progress.writes.Load(), r.progress.events.Load(), r.progress.hops.Load(),
			r.progress.gaps.Load(), faults.brief(), injected)
	}
}
