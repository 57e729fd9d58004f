package group

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestGroup(t *testing.T) {
	t.Parallel()

	t.Run("CommitsASingleWriteAtOnce", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			start := time.Now()
			streamtest.Must(t, r.Submit(t.Context(), good("a")))
			streamtest.Want(t, "the time that it took", time.Since(start), time.Millisecond)
		})
	})

	t.Run("CommitsTogetherWhatWaits", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			for _, err := range r.submit(t, good("a"), good("b"), good("c")) {
				streamtest.Must(t, err)
			}
			streamtest.Want(t, "the transactions", r.db.seen().tried, [][]string{{"first"}, {"a", "b", "c"}})
			streamtest.Want(t, "the figures", r.Stats(), Stats{Transactions: 2, Writes: 4})
		})
	})

	t.Run("BoundsABatch", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			writes := make([]*fakeWrite, batchMost+1)
			for i := range writes {
				writes[i] = good(fmt.Sprint(i))
			}
			for _, err := range r.submit(t, writes...) {
				streamtest.Must(t, err)
			}
			streamtest.Want(t, "the size of the batch", len(r.db.seen().tried[1]), batchMost)
			streamtest.Want(t, "the transactions", len(r.db.seen().tried), 3)
		})
	})

	t.Run("RefusesWritesWhenTheQueueIsFull", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			defer unlock()
			go r.Submit(t.Context(), needs("first", "k")) // it keeps Run busy
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range queueMost {
				go r.Submit(ctx, good("queued")) // it fills the queue
			}
			synctest.Wait()
			streamtest.Want(t, "the queue", r.Stats().Waiting, queueMost)
			streamtest.WantErr(t, r.Submit(t.Context(), good("late")), ErrBusy)
		})
	})

	t.Run("DropsAWriteWhoseCallerHasLeft", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			ctx, cancel := context.WithCancel(t.Context())
			go r.Submit(t.Context(), good("first")) // it keeps Run busy
			synctest.Wait()
			left := make(chan error)
			go func() { left <- r.Submit(ctx, good("left")) }()
			synctest.Wait()
			cancel()
			streamtest.WantErr(t, <-left, context.Canceled)
			streamtest.Must(t, r.Submit(t.Context(), good("next")))
			streamtest.Want(t, "the committed writes", r.db.seen().committed, []string{"first", "next"})
		})
	})

	t.Run("GivesAllTheErrorOfADatabaseThatIsDown", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			outcomes := r.start(t, good("a"), good("b"))
			r.db.fail(errDown) // the first transaction has begun
			for _, outcome := range outcomes {
				streamtest.WantErr(t, <-outcome, errDown)
			}
			streamtest.Want(t, "the transactions", len(r.db.seen().tried), 2)
		})
	})

	t.Run("RefusesWritesAfterItsEnd", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			defer unlock()
			solo := make(chan error, 1)
			go func() { solo <- r.Submit(t.Context(), needs("solo", "k")) }()
			pass(time.Second) // longer than batchLockWait
			r.stop()
			if err := <-solo; err == nil {
				t.Error("a write that was not committed has no error")
			}
			streamtest.WantErr(t, r.Submit(t.Context(), good("late")), ErrClosed)
		})
	})
}

func TestGroup_RefusedWrites(t *testing.T) {
	t.Parallel()

	t.Run("FailAloneAfterFewTransactions", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			var writes []*fakeWrite
			for i := range 128 {
				writes = append(writes, good(fmt.Sprint(i)))
			}
			writes[77].refused = true
			for i, err := range r.submit(t, writes...) {
				if i == 77 {
					streamtest.WantErr(t, err, ErrRefused)
				} else {
					streamtest.Must(t, err)
				}
			}
			// The first write, the batch, and two halves for each of the seven splits.
			streamtest.Want(t, "the transactions", len(r.db.seen().tried), 1+1+2*7)
		})
	})

	t.Run("PutTheirSourceIntoQuarantine", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			spam := func() *fakeWrite { return &fakeWrite{name: "spam", source: "spammer", refused: true} }
			streamtest.WantErr(t, r.submit(t, spam(), good("a"))[0], ErrRefused)
			before := r.db.tries("spam")
			for range 3 {
				errs := r.submit(t, good("a"), spam(), good("b"))
				streamtest.WantErr(t, errs[1], ErrRefused)
			}
			streamtest.Want(t, "the attempts to write spam", r.db.tries("spam")-before, 3)
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 3)
			pass(quarantineTime)
			streamtest.Must(t, r.submit(t, &fakeWrite{name: "ham", source: "spammer"})[0])
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 3)
		})
	})

	t.Run("AreSoloAtOnceWhenTheyAreRisky", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			errs := r.submit(t, good("a"), &fakeWrite{name: "risky", risky: true, refused: true}, good("b"))
			streamtest.WantErr(t, errs[1], ErrRefused)
			streamtest.Want(t, "the attempts", []int{r.db.tries("a"), r.db.tries("risky"), r.db.tries("b")}, []int{1, 1, 1})
		})
	})
}

func TestGroup_LockedRows(t *testing.T) {
	t.Parallel()

	t.Run("DelayOthersForAMomentOnly", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			start := time.Now()
			outcomes := r.start(t, needs("x", "k"), good("a"), needs("y", "k"), good("b"))
			for _, i := range []int{1, 3} {
				streamtest.Must(t, <-outcomes[i])
			}
			if took, most := time.Since(start), batchLockWait+searchLockWait+10*time.Millisecond; took > most {
				t.Errorf("the others took %v, want at most %v", took, most)
			}
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 2)

			start = time.Now() // further writes with the key follow into solo transactions
			follower := r.start(t, needs("z", "k"), good("c"))
			streamtest.Must(t, <-follower[1])
			if took := time.Since(start); took > 10*time.Millisecond {
				t.Errorf("a write in the batch of a follower took %v", took)
			}
			unlock()
			for _, outcome := range []chan error{outcomes[0], outcomes[2], follower[0]} {
				streamtest.Must(t, <-outcome)
			}
			streamtest.Must(t, r.submit(t, needs("later", "k"))[0])
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 3)
		})
	})

	t.Run("AreChargedOnlyToWritesThatNeedThem", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			both := func(name, user string) *fakeWrite {
				return &fakeWrite{name: name, source: user, keys: []string{"post", user}}
			}
			unlock := r.db.lock("held user")
			blocked := r.start(t, both("x", "held user"), good("a"))
			streamtest.Must(t, <-blocked[1])
			for range 3 { // a follower must not pass on the key of the post either
				follower := r.start(t, both("y", "held user"))
				blocked = append(blocked, follower...)
				streamtest.Must(t, errors.Join(r.submit(t, both("b", "bob"), both("c", "cat"))...))
			}
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 4)
			unlock()
			for _, i := range []int{0, 2, 3, 4} {
				streamtest.Must(t, <-blocked[i])
			}
		})
	})

	t.Run("AreChargedToKeysUntilAWriteWithTheKeyCommits", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			both := func(name, user string) *fakeWrite {
				return &fakeWrite{name: name, source: user, keys: []string{"post", user}}
			}
			r.db.unnamed = true // so that the first write holds both of its keys
			unlock := r.db.lock("held user")
			blocked := r.start(t, both("x", "held user"), good("a"))
			streamtest.Must(t, <-blocked[1])
			for _, user := range []string{"bob", "cat", "dan"} {
				streamtest.Must(t, r.submit(t, both(user, user))[0])
			}
			streamtest.Want(t, "the solo writes", r.Stats().Solo, 2) // of the held user and of bob
			unlock()
			streamtest.Must(t, <-blocked[0])
		})
	})

	t.Run("DelayNoWriteToAnotherRowThatIsLockedForAMoment", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			defer unlock()
			for i := range 2 * slots {
				go r.Submit(t.Context(), needs(fmt.Sprint(i), "k"))
			}
			pass(time.Second)
			unlockOther := r.db.lock("other")
			start := time.Now()
			other := r.start(t, needs("x", "other"))[0]
			pass(batchLockWait + 50*time.Millisecond)
			unlockOther()
			streamtest.Must(t, <-other)
			if took := time.Since(start); took > 4*turnLockWait {
				t.Errorf("the write took %v", took)
			}
			start = time.Now()
			streamtest.Must(t, r.submit(t, &fakeWrite{name: "risky", risky: true})[0])
			if took := time.Since(start); took > 10*time.Millisecond {
				t.Errorf("a solo write that needs no lock took %v", took)
			}
		})
	})

	t.Run("AreWaitedForInFewTransactions", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			var outcomes []chan error
			var unlock []func()
			for i := range 3 * slots {
				unlock = append(unlock, r.db.lock(fmt.Sprint(i)))
				outcomes = append(outcomes, r.start(t, needs(fmt.Sprint(i), fmt.Sprint(i)))...)
				pass(2 * batchLockWait)
			}
			streamtest.Want(t, "the transactions that wait", r.db.seen().waiting, slots)
			for _, u := range unlock {
				u()
			}
			for _, outcome := range outcomes {
				streamtest.Must(t, <-outcome)
			}
			streamtest.Want(t, "the most solo transactions that waited", r.db.seen().mostSolo, slots)
		})
	})

	t.Run("AreNotWaitedForWithoutEnd", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			defer unlock()
			start := time.Now()
			streamtest.WantErr(t, r.Submit(t.Context(), needs("x", "k")), ErrBusy)
			if took := time.Since(start); took < SoloLockWait || took > SoloLockWait+time.Second {
				t.Errorf("it took %v, want about %v", took, SoloLockWait)
			}
		})
	})

	t.Run("AreNotWaitedForAfterTheCallerHasLeft", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			unlock := r.db.lock("k")
			ctx, cancel := context.WithCancel(t.Context())
			for i := range slots + 3 {
				go r.Submit(ctx, needs(fmt.Sprint(i), "k")) // the caller leaves
				pass(time.Second)
			}
			cancel()
			synctest.Wait()
			unlock()
			pass(time.Second)
			streamtest.Want(t, "the committed writes", len(r.db.seen().committed), 1) // it had begun
		})
	})

	t.Run("BoundTheWritesThatWait", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r rig) {
			const rows = 2 * soloMost / rowMost
			for i := range rows {
				defer r.db.lock(fmt.Sprint(i))()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			busy := make(chan error, 1)
			for i := range soloMost + 1 {
				go func() {
					if err := r.Submit(ctx, needs(fmt.Sprint(i), fmt.Sprint(i%rows))); errors.Is(err, ErrBusy) {
						busy <- err
					}
				}()
			}
			pass(time.Second)
			streamtest.Want(t, "the solo writes", r.Stats().Solo, soloMost)
			streamtest.Want(t, "the refused writes", len(busy), 1)
		})
	})
}

func TestCommitSolo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := new(fakeDatabase)
		streamtest.Must(t, CommitSolo(t.Context(), db, NewSlots(1), good("a")))
		streamtest.WantErr(t, CommitSolo(t.Context(), db, NewSlots(1), &fakeWrite{refused: true}), ErrRefused)
		unlock := db.lock("k")
		defer unlock()
		streamtest.WantErr(t, CommitSolo(t.Context(), db, NewSlots(1), needs("b", "k")), ErrBusy)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := len(db.seen().tried)
		streamtest.WantErr(t, CommitSolo(ctx, db, NewSlots(1), good("c")), context.Canceled)
		streamtest.Want(t, "the transactions", len(db.seen().tried), before)
	})
}
