package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// FaultKinds are the names of all faults, in the order of the table in torment.
func FaultKinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// kinds are the faults. Each mends what it broke before it returns, also when its
// context, that of the time for breaking, has ended; did is false when there was nothing to
// break. An error is fatal: a server that does not come back.
var kinds = []struct {
	name  string
	cause func(*tormentor, context.Context) (did bool, err error)
}{
	{"kill-instance", (*tormentor).killInstance},
	{"crash-postgres", (*tormentor).crashPostgres},
	{"end-listeners", (*tormentor).endListeners},
	{"deafen-listener", (*tormentor).deafenListener},
	{"cut-clients", (*tormentor).cutClients},
	{"stall-clients", (*tormentor).stallClients},
	{"slow-clients", (*tormentor).slowClients},
	{"hold-transaction", (*tormentor).holdTransaction},
	{"burst", (*tormentor).burst},
	{"overtake-reader", (*tormentor).overtakeReader},
	{"rolling-restart", (*tormentor).rollingRestart},
}

// A tormentor breaks a world while a run goes on.
type tormentor struct {
	*world
	whole  context.Context // of the run: what was broken is mended after the time for breaking is over
	run    *run
	random *rand.Rand
	scale  time.Duration   // the longest that a fault lasts
	held   *sync.WaitGroup // transactions that are still open
}

// torment causes faults until ctx ends: all kinds in a random order, then again in
// another. Everything works again when it returns, unless whole ended, too.
func (w *world) torment(ctx, whole context.Context, r *run) error {
	t := &tormentor{
		world: w, whole: whole, run: r, random: r.cfg.random("torment", 0), held: &sync.WaitGroup{},
		scale: w.chaos.Longest,
	}
	setDefault(&t.scale, min(max(r.cfg.Duration/20, 700*time.Millisecond), 4*time.Second))
	defer t.held.Wait()
	for ctx.Err() == nil {
		for _, k := range t.random.Perm(len(kinds)) {
			if err := t.cause(ctx, k); err != nil {
				return err
			}
		}
	}
	w.begin("mending")
	return t.awaitAll()
}

// cause makes one fault, and lets the world be for a while.
func (t *tormentor) cause(ctx context.Context, k int) error {
	kind := kinds[k]
	chosen := len(t.chaos.Kinds) == 0 || slices.Contains(t.chaos.Kinds, kind.name)
	if !chosen || ctx.Err() != nil {
		pause(ctx, time.Millisecond) // a choice of none must not spin
		return nil
	}
	t.begin(kind.name)
	did, err := kind.cause(t, ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", kind.name, err)
	}
	t.did(kind.name, did)
	t.begin("nothing")
	pause(ctx, t.moment()/2)
	return nil
}

// moment is how long a fault lasts.
func (t *tormentor) moment() time.Duration {
	return t.scale/5 + time.Duration(t.random.Int64N(int64(t.scale*4/5)))
}

func (t *tormentor) pick() *instance { return t.instances[t.random.IntN(len(t.instances))] }

// awaitAll returns when all instances deliver again.
func (t *tormentor) awaitAll() error {
	var errs []error
	for _, i := range t.instances {
		errs = append(errs, i.awaitReady(t.whole, i.process()))
	}
	return errors.Join(errs...)
}
