package group

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// manyWriters is the number of writers to one locked row in these tests.
const manyWriters = 200

// submitMany starts writers to the row k, which is locked. Their outcomes are sent to the
// channel.
func (r rig) submitMany(t *testing.T, n int) <-chan error {
	t.Helper()
	outcomes := make(chan error, n)
	for i := range n {
		go func() { outcomes <- r.Submit(t.Context(), needs(fmt.Sprint("k", i), "k")) }()
	}
	return outcomes
}

func TestGroup_WritersOfOneRow(t *testing.T) {
	t.Parallel()

	t.Run("WaitInOneTransaction", func(t *testing.T) {
		for name, unnamed := range map[string]bool{"NamedRow": false, "UnnamedRow": true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, r rig) {
					r.db.unnamed = unnamed
					unlock := r.db.lock("k")
					outcomes := r.submitMany(t, manyWriters)
					pass(SoloLockWait - time.Second) // enough for the attempts of all
					streamtest.Want(t, "the transactions that wait", r.db.seen().waiting, 1)
					unlock()
					for range manyWriters {
						streamtest.Must(t, <-outcomes)
					}
					streamtest.Want(t, "the most solo transactions that waited", r.db.seen().mostSolo, 1)
				})
			})
		}
	})

	t.Run("DelayNoOthers", func(t *testing.T) {
		for kind, write := range others {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				without, with := commits(t, 0, write), commits(t, manyWriters, write)
				if with < without*9/10 {
					t.Errorf("%d commits while %d writers wait, and %d while none does", with, manyWriters, without)
				}
			})
		}
	})

	t.Run("GetBusyTenSecondsAfterTheirArrival", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			defer unlock()
			early := r.submitMany(t, 20)
			pass(SoloLockWait / 2)
			start := time.Now()
			late := r.submitMany(t, 20)
			for range cap(early) {
				streamtest.WantErr(t, <-early, ErrBusy)
			}
			for range cap(late) {
				streamtest.WantErr(t, <-late, ErrBusy)
			}
			if took := time.Since(start); took < SoloLockWait || took > SoloLockWait+100*time.Millisecond {
				t.Errorf("the late writes waited %v, want %v", took, SoloLockWait)
			}
		})
	})

	t.Run("AreBounded", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			outcomes := r.submitMany(t, 2*soloMost)
			pass(time.Second)
			streamtest.Want(t, "the refused writes", len(outcomes), 2*soloMost-rowMost)
			streamtest.Must(t, r.Submit(t.Context(), &fakeWrite{name: "risky", risky: true}))
			unlock()
			busy := 0
			for range cap(outcomes) {
				if errors.Is(<-outcomes, ErrBusy) {
					busy++
				}
			}
			streamtest.Want(t, "the refused writes", busy, 2*soloMost-rowMost)
		})
	})
}

// others are writes that do not need the row k.
var others = map[string]func(context.Context, rig) error{
	"Batches": func(ctx context.Context, r rig) error { return r.Submit(ctx, good("a")) },
	"Risky": func(ctx context.Context, r rig) error {
		return r.Submit(ctx, &fakeWrite{name: "risky", source: "risky", risky: true})
	},
	"AnotherRowLockedForAMoment": func(ctx context.Context, r rig) error {
		time.AfterFunc(batchLockWait+50*time.Millisecond, r.db.lock("other"))
		return r.Submit(ctx, needs("other", "other"))
	},
	"OutsideOfTheGroup": func(ctx context.Context, r rig) error {
		return r.slots.Do(ctx, Key{"comments", "1"}, func(wait time.Duration) error {
			return r.db.Commit(ctx, []Write{good("deleted")}, wait)
		})
	},
}

// commits counts how often a writer commits within 2 s of the fake clock, while n writers wait
// for a locked row.
func commits(t *testing.T, n int, write func(context.Context, rig) error) (count int) {
	t.Helper()
	inBubbleNow(t, func(t *testing.T, r rig) {
		unlock := r.db.lock("k")
		defer unlock()
		waiting := r.submitMany(t, n)
		pass(time.Second)
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); count++ {
			streamtest.Must(t, write(t.Context(), r))
		}
		streamtest.Want(t, "the writes to the locked row that have ended", len(waiting), 0)
	})
	return count
}
