package verify

import (
	"errors"
	"maps"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// counters are for telling progress.
type counters struct {
	events, hops, gaps, errs, streams, polls, writes atomic.Int64

	mu       sync.Mutex // guards problems
	problems map[string]int
}

func newCounters() *counters { return &counters{problems: make(map[string]int)} }

// addresses differ from one connection to the next, and problems do not.
var addresses = regexp.MustCompile(` (tcp |unix )?[0-9.]+:\d+(->[0-9.]+:\d+)?`)

// problem notes what went wrong with a connection, by its text.
func (c *counters) problem(err error) {
	c.errs.Add(1)
	text := addresses.ReplaceAllString(err.Error(), "")
	if failed := (*pgconn.ConnectError)(nil); errors.As(err, &failed) {
		text = "cannot connect to Postgres"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.problems[text]; ok || len(c.problems) < 40 {
		c.problems[text]++
	}
}

// met are the problems so far and how often each was met.
func (c *counters) met() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.problems)
}
