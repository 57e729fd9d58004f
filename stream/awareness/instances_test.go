package awareness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestInstances(t *testing.T) {
	t.Parallel()

	inBubble(t, "CountTogetherAndEachUserOnce", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		pass(2 * time.Second)
		two.reads("ann")
		two.reads("")
		gone := two.reads("cat")
		one.reads("ann")
		one.reads("")
		one.watches("ben")
		pass(100 * time.Millisecond)
		wantViewers(t, one, 5, "ann", "ben", "cat") // already the first event
		streamtest.Want(t, "events", len(one.events()), 1)
		two.watches("")
		pass(2 * time.Second)
		for _, i := range []*instance{one, two} {
			wantViewers(t, i, 6, "ann", "ben", "cat")
		}
		gone.End()
		pass(2 * time.Second)
		for _, i := range []*instance{one, two} {
			wantViewers(t, i, 5, "ann", "ben")
			streamtest.Want(t, "left", ids(i.last(t).Left), []string{"cat"})
		}
	})
	inBubble(t, "WriteNothingWhereNobodyWatches", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		pass(2 * time.Second)
		quiet := func(what string) {
			t.Helper()
			before := b.statements(one.id) + b.statements(two.id)
			for range 50 {
				one.reads("ann").End()
				one.reads("")
				two.reads("")
				pass(100 * time.Millisecond)
			}
			streamtest.Want(t, "statements "+what, b.statements(one.id)+b.statements(two.id)-before, 0)
		}
		quiet("before a watcher")
		v := one.watches("")
		pass(time.Second)
		v.End()
		pass(15 * time.Second)
		quiet("after the watcher")
	})
	inBubble(t, "ReportAtMostOnceASecond", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		one.watches("")
		for range 100 {
			two.reads("")
			one.reads("")
			pass(50 * time.Millisecond)
		}
		b.edit(func() {
			for id, at := range b.reports {
				for n := 1; n < len(at); n++ {
					if d := at[n].Sub(at[n-1]); d < time.Second {
						t.Errorf("report %d of %s comes %v after the one before", n, id, d)
					}
				}
			}
			streamtest.Want(t, "viewers in the row of the only instance that watches", b.rows[one.id][post42].Viewers, 0)
		})
		pass(crowdInterval + 2*time.Second)
		wantViewers(t, one, 201)
	})
	inBubble(t, "LookTwiceASecondAtMostWhenOthersRing", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		pass(10 * time.Second)
		before := b.statements(one.id)
		two.reads("ann")
		for n := range 10_000 { // 1,000 a second
			one.Ring()
			pass(time.Millisecond)
			if n == 5000 {
				one.watches("ben")
			}
		}
		wantViewers(t, one, 2, "ann", "ben")
		most := int((lookBurst+10*time.Second)/lookCost) + 1 + 2 // reports: it registers and answers
		if n := b.statements(one.id) - before; n > most {
			t.Errorf("%d statements in 10 s, want at most %d", n, most)
		}
	})
	inBubble(t, "ForgetAnInstanceThatWasKilled", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		one.watches("ben")
		two.reads("ann")
		two.watches("")
		pass(3 * time.Second)
		wantViewers(t, one, 3, "ann", "ben")
		b.edit(func() { b.killed, b.instances[two.id] = two.id, Instance{ID: two.id} })
		two.stop()
		synctest.Wait()
		pass(2 * time.Second)
		pass(6 * time.Second)
		wantViewers(t, one, 1, "ben")
		pass(2 * time.Second)
		one.reads("")
		pass(2 * time.Second)
		b.edit(func() { streamtest.Want(t, "instances", len(b.instances), 1) })
	})
	inBubble(t, "KeepAnInstanceThatConnectsAgain", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		one.watches("ben")
		two.reads("ann")
		pass(3 * time.Second)
		wantViewers(t, one, 2, "ann", "ben")
		before := len(one.events())
		b.alive(two.id, false)
		pass(1500 * time.Millisecond)
		two.Lease(Lease{PID: 2})
		pass(10 * time.Second)
		streamtest.Want(t, "events", len(one.events())-before, 0)
		two.reads("")
		pass(3 * time.Second)
		wantViewers(t, one, 3, "ann", "ben")
	})
	inBubble(t, "ReadAllAgainWhenTheTablesAreNew", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		one.watches("ben")
		gone := two.reads("ann")
		two.reads("")
		pass(3 * time.Second)
		before := len(one.events())
		b.edit(func() { // a crash empties unlogged tables
			clear(b.instances)
			clear(b.rows)
		})
		two.Lease(Lease{PID: 3})
		pass(time.Second)
		one.Lease(Lease{PID: 4})
		pass(10 * time.Second)
		streamtest.Want(t, "events", len(one.events())-before, 0)
		gone.End()
		pass(2 * time.Second)
		wantViewers(t, one, 2, "ben")
	})
	inBubble(t, "IgnoreThoseThatEndedBeforeTheyKnewThem", func(t *testing.T) {
		b := newTable()
		old := start(t, b)
		old.watches("ann")
		pass(2 * time.Second)
		var rows map[stream.Topic]versioned
		b.edit(func() { rows = b.rows[old.id] })
		old.stop()
		b.edit(func() { b.instances[old.id], b.rows[old.id] = Instance{ID: old.id}, rows })
		one := start(t, b)
		defer one.stop()
		one.watches("ben")
		pass(10 * time.Second)
		for _, e := range one.events() {
			streamtest.Want(t, "viewers", e.Viewers, 1)
		}
		b.edit(func() { streamtest.Want(t, "instances", len(b.instances), 1) })
	})
	inBubble(t, "GoOnAfterAFailure", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		one.watches("ben")
		v := two.reads("ann")
		pass(3 * time.Second)
		b.edit(func() { b.err = errDown })
		two.reads("")
		one.reads("")
		pass(5 * time.Second)
		wantViewers(t, one, 3, "ann", "ben")
		v.End()
		b.edit(func() { b.err = nil })
		pass(5 * time.Second)
		wantViewers(t, one, 3, "ben")
	})
	inBubble(t, "CountThemselvesWithoutADatabase", func(t *testing.T) {
		i := start(t, nil)
		i.shared()
		defer i.stop()
		i.watches("ben")
		pass(answersLimit - time.Second)
		streamtest.Want(t, "events", len(i.events()), 0)
		pass(time.Second)
		wantViewers(t, i, 1, "ben")
	})
}

// shared makes an instance wait for a lease that never comes.
func (i *instance) shared() {
	i.do(func(l *ledger, _ time.Time) { l.shared = true })
	synctest.Wait()
}

func TestState(t *testing.T) {
	t.Parallel()

	inBubble(t, "HasTheReadersOfAllInstances", func(t *testing.T) {
		b := newTable()
		one, two := start(t, b), start(t, b)
		defer one.stop()
		defer two.stop()
		one.reads("ann")
		two.reads("ann")
		two.reads("")
		pass(3 * time.Second)
		for _, i := range []*instance{one, two} {
			got, err := i.State(t.Context(), post42)
			streamtest.Must(t, err)
			streamtest.Want(t, "the state", got, State{"42", 2, []User{{"ann", "The ann"}}})
		}
		none, err := one.State(t.Context(), post43)
		streamtest.Must(t, err)
		streamtest.Want(t, "the state of a post without readers", none, State{"43", 0, []User{}})
		pass(30 * time.Second)
		before := b.statements(one.id) + b.statements(two.id)
		two.reads("")
		pass(10 * time.Second)
		streamtest.Want(t, "statements when nobody asks any more", b.statements(one.id)+b.statements(two.id)-before, 0)
		got, err := one.State(t.Context(), post42)
		streamtest.Must(t, err)
		streamtest.Want(t, "viewers", got.Viewers, 3)
	})
	inBubble(t, "WaitsThreeSecondsForAnInstanceThatDoesNotAnswer", func(t *testing.T) {
		b := newTable()
		one := start(t, b)
		defer one.stop()
		b.edit(func() { b.instances["stuck"] = Instance{ID: "stuck", Alive: true} })
		pass(2 * time.Second)
		began := time.Now()
		_, err := one.State(t.Context(), post42)
		streamtest.Must(t, err)
		streamtest.Want(t, "the wait", time.Since(began), answersLimit)
	})
	inBubble(t, "RefusesTooManyPosts", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.do(func(l *ledger, _ time.Time) { l.asked = mostAsked })
		_, err := i.State(t.Context(), post42)
		streamtest.WantErr(t, err, ErrTooManyPosts)
		i.watches("")
		_, err = i.State(t.Context(), post42) // is watched anyway
		streamtest.Must(t, err)
	})
}
