package verify

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/verify/cluster"
)

const (
	// findLimit is how long an injector looks for something to break.
	findLimit = 5 * time.Second
	// lookEvery is the time between two looks at a condition.
	lookEvery = 20 * time.Millisecond
	// repairLimit is how long repairs may take when the run was stopped.
	repairLimit = 30 * time.Second
)

// FaultKinds returns the names of all kinds of faults that Chaos can inject.
func FaultKinds() []string {
	var names []string
	for _, k := range injections {
		names = append(names, k.name)
	}
	return names
}

// injections are the kinds of faults. The function injects one fault and repairs it
// before it returns, also if ctx, which ends with the writing, has ended. done is false
// if there was nothing to break. An error ends the run: a server does not come back.
var injections = []struct {
	name   string
	inject func(*injector, context.Context) (done bool, err error)
}{
	{"kill-instance", (*injector).killInstance},
	{"crash-postgres", (*injector).crashPostgres},
	{"end-listeners", (*injector).endListeners},
	{"deafen-listener", (*injector).deafenListener},
	{"cut-clients", (*injector).cutClients},
	{"stall-clients", (*injector).stallClients},
	{"slow-clients", (*injector).slowClients},
	{"hold-transaction", (*injector).holdTransaction},
	{"burst", (*injector).burst},
	{"overtake-reader", (*injector).overtakeReader},
	{"rolling-restart", (*injector).rollingRestart},
}

// An injector injects faults into a cluster while a run goes on, one at a time.
type injector struct {
	cluster *cluster.Cluster
	run     *run
	chaos   Chaos
	random  *rand.Rand
	whole   context.Context // ends with the run: faults may outlast the writing
	repair  context.Context // of repairs, which outlast the run by up to repairLimit
	open    sync.WaitGroup  // transactions of holdTransaction

	mu      sync.Mutex // guards the fields below
	count   map[string]int64
	current string // the fault that is being injected
}

func newInjector(c *cluster.Cluster, r *run) *injector {
	return &injector{
		cluster: c, run: r, chaos: r.cfg.Chaos.withDefaults(r.cfg.Duration),
		random: r.cfg.random("injector", 0), count: make(map[string]int64),
	}
}

// inject injects faults until ctx ends: all kinds in a random order, then all kinds in
// another order, and so on. It returns when everything is repaired. An error means
// that something cannot be repaired. If whole ends, the repairs of the current fault go
// on, so that the end of the run finds the servers up.
func (i *injector) inject(ctx, whole context.Context) error {
	var cancel context.CancelFunc
	i.whole = whole
	i.repair, cancel = context.WithCancel(context.WithoutCancel(whole))
	defer cancel()
	defer context.AfterFunc(whole, func() { time.AfterFunc(repairLimit, cancel) })()
	defer i.open.Wait()
	for ctx.Err() == nil {
		for _, k := range i.random.Perm(len(injections)) {
			if err := i.injectOne(ctx, k); err != nil {
				return err
			}
		}
	}
	i.begin("repairing")
	return i.cluster.AwaitReady(i.repair)
}

// injectOne injects one fault and then leaves the cluster alone for a while.
func (i *injector) injectOne(ctx context.Context, k int) error {
	kind := injections[k]
	chosen := len(i.chaos.Kinds) == 0 || slices.Contains(i.chaos.Kinds, kind.name)
	if !chosen || ctx.Err() != nil {
		return nil
	}
	i.begin(kind.name)
	done, err := kind.inject(i, ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", kind.name, err)
	}
	i.end(kind.name, done)
	pause(ctx, i.length()/2)
	return nil
}

// length is how long the next fault lasts: a fifth of Chaos.Longest up to all of it.
func (i *injector) length() time.Duration {
	longest := i.chaos.Longest
	return longest/5 + time.Duration(i.random.Int64N(int64(longest*4/5)))
}

// instance returns a random instance.
func (i *injector) instance() *cluster.Instance {
	all := i.cluster.Instances()
	return all[i.random.IntN(len(all))]
}

// find calls breakSome, which returns how much it broke, until that is not 0 or 5 s
// are over.
func (i *injector) find(ctx context.Context, breakSome func() int) bool {
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	for ctx.Err() == nil {
		if breakSome() > 0 {
			return true
		}
		pause(ctx, lookEvery)
	}
	return false
}

// failed counts an error of an injection that is no fault of the servers.
func (i *injector) failed(what string, err error) {
	i.run.progress.problem(fmt.Errorf("%s: %w", what, err))
}

func (i *injector) begin(kind string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = kind
}

// end counts a fault. A fault that had nothing to break gets an entry and counts 0.
func (i *injector) end(kind string, done bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.count[kind]
	if done {
		n++
	}
	i.count[kind] = n
	i.current = "none"
}

// injected returns the number of faults by kind. It may be called from any goroutine.
func (i *injector) injected() map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.count)
}

// status is the injector's part of the progress line. It may be called from any
// goroutine.
func (i *injector) status() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var sum int64
	for _, n := range i.count {
		sum += n
	}
	return fmt.Sprintf("%d faults injected, now: %s", sum, i.current)
}
