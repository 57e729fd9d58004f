package awareness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A table is a Board in memory, for several instances in one synctest bubble.
type table struct {
	mu        sync.Mutex // guards the fields below
	instances map[string]Instance
	rows      map[string]map[stream.Topic]versioned
	version   int64
	reports   map[string][]time.Time
	looks     map[string]int
	killed    string // instance that writes nothing more
	err       error  // of all calls
	rings     []func()
}

type versioned struct {
	Row
	version int64
}

func newTable() *table {
	return &table{
		instances: make(map[string]Instance), rows: make(map[string]map[stream.Topic]versioned), version: 1,
		reports: make(map[string][]time.Time), looks: make(map[string]int),
	}
}

func (b *table) Report(_ context.Context, r Report) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports[r.Instance] = append(b.reports[r.Instance], time.Now())
	if b.err != nil {
		return b.err
	}
	b.version++
	b.instances[r.Instance] = Instance{ID: r.Instance, Alive: true, Asked: r.Asked, Answered: r.Answered}
	if b.rows[r.Instance] == nil {
		b.rows[r.Instance] = make(map[stream.Topic]versioned)
	}
	for _, row := range r.Rows {
		row.Instance = r.Instance
		b.rows[r.Instance][row.Topic] = versioned{row, b.version}
	}
	for _, topic := range r.Purge {
		delete(b.rows[r.Instance], topic)
	}
	for _, id := range r.Dead {
		if !b.instances[id].Alive {
			delete(b.instances, id)
			delete(b.rows, id)
		}
	}
	b.ringLocked()
	return nil
}

func (b *table) Look(_ context.Context, instance, since string) (v View, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks[instance]++
	seen, _ := strconv.ParseInt(since, 10, 64)
	v.Mark = strconv.FormatInt(b.version, 10)
	for id, i := range b.instances {
		if id != instance {
			v.Instances = append(v.Instances, i)
		}
	}
	for id, rows := range b.rows {
		for _, row := range rows {
			if id != instance && row.version > seen {
				v.Rows = append(v.Rows, row.Row)
			}
		}
	}
	return v, b.err
}

func (b *table) Withdraw(_ context.Context, instance string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if instance == b.killed {
		return nil
	}
	delete(b.instances, instance)
	delete(b.rows, instance)
	b.ringLocked()
	return nil
}

func (b *table) ringLocked() {
	for _, ring := range b.rings {
		ring()
	}
}

// edit changes or reads the table.
func (b *table) edit(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn()
}

// alive sets whether the session of an instance exists.
func (b *table) alive(id string, alive bool) {
	b.edit(func() {
		i := b.instances[id]
		i.Alive = alive
		b.instances[id] = i
	})
}

// statements is the number of calls by an instance.
func (b *table) statements(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.reports[id]) + b.looks[id]
}

// An instance is a Presence that runs, and the events that it has broadcast.
type instance struct {
	*Presence
	stop func()

	mu    sync.Mutex // guards shown
	shown []shown
}

// A shown is one presence event.
type shown struct {
	at time.Time
	State
	Joined, Left []User
}

func (i *instance) Broadcast(e stream.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := shown{at: time.Now()}
	if err := json.Unmarshal([]byte(e.Data.String()), &s); err != nil || e.Name != stream.PresenceName {
		panic(fmt.Sprint(e, err))
	}
	i.shown = append(i.shown, s)
}

// start runs an instance in the bubble, until stop is called.
func start(t *testing.T, b *table) *instance {
	t.Helper()
	i := &instance{}
	var shared Board
	if b != nil {
		shared = b
	}
	i.Presence = NewPresence(PresenceConfig{Out: i, Board: shared})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.Run(ctx) }()
	i.stop = func() {
		stop()
		streamtest.Must(t, <-done)
	}
	if b != nil {
		b.edit(func() { b.rings = append(b.rings, i.Ring) })
		i.Lease(Lease{PID: 1})
	}
	synctest.Wait()
	return i
}

// last returns the last event.
func (i *instance) last(t *testing.T) shown {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.shown) == 0 {
		t.Fatal("there is no event")
	}
	return i.shown[len(i.shown)-1]
}

func (i *instance) events() []shown {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.shown)
}

// reads begins a stream of post 42.
func (i *instance) reads(user string) *Visit { return i.Join(readerOf(user)) }

// watches begins a stream of post 42 that asks for its presence.
func (i *instance) watches(user string) *Visit {
	r := readerOf(user)
	r.Asks = true
	return i.Join(r)
}

// queued is the number of changes that wait.
func (i *instance) queued() int {
	i.Presence.mu.Lock()
	defer i.Presence.mu.Unlock()
	return len(i.queue)
}

// polls begins a poll of post 42.
func (i *instance) polls(user string, at int64) *Visit {
	r := readerOf(user)
	r.Poll, r.At = true, cursorAt(at)
	return i.Join(r)
}

func cursorAt(position int64) stream.Cursor { return stream.Cursor{Epoch: 1, Position: position} }

func readerOf(user string) Reader {
	r := Reader{Posts: []stream.Topic{post42}}
	if user != "" {
		r.User = User{user, "The " + user}
	}
	return r
}

// wantViewers checks the last event.
func wantViewers(t *testing.T, i *instance, viewers int, users ...string) {
	t.Helper()
	got := i.last(t)
	streamtest.Want(t, "viewers", got.Viewers, viewers)
	streamtest.Want(t, "users", ids(got.Users), users)
}

func ids(users []User) (all []string) {
	for _, u := range users {
		all = append(all, u.ID)
	}
	return all
}

// wantPace fails the test if two events are closer than the pace.
func wantPace(t *testing.T, events []shown, pace time.Duration) {
	t.Helper()
	for n := 1; n < len(events); n++ {
		if d := events[n].at.Sub(events[n-1].at); d < pace {
			t.Errorf("event %d comes %v after the one before", n, d)
		}
	}
}

// inBubble runs a subtest in a synctest bubble.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()

	inBubble(t, "CountsUsersOnceAndOthersByReader", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.watches("ben")
		tab := i.reads("ann")
		i.reads("ann")
		i.polls("ann", 0)
		anonymous := i.reads("")
		i.reads("")
		pass(time.Second)
		wantViewers(t, i, 4, "ann", "ben")
		tab.End()
		anonymous.End()
		pass(time.Second)
		wantViewers(t, i, 3, "ann", "ben")
	})
	inBubble(t, "SendsAtMostOneEventASecondAndNoneWithoutAChange", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.watches("ben")
		for range 40 {
			i.reads("").End()
			i.reads("")
			pass(100 * time.Millisecond)
		}
		events := i.events()
		wantPace(t, events, time.Second)
		if len(events) < 4 {
			t.Errorf("%d events in 4 s of changes", len(events))
		}
		pass(2 * time.Second)
		before := len(i.events())
		i.reads("ben")
		pass(time.Minute)
		streamtest.Want(t, "events without a change", len(i.events())-before, 0)
		i.watches("ben")
		pass(0)
		streamtest.Want(t, "events for a new stream", len(i.events())-before, 1)
		pass(time.Second)
		p := readerOf("ben")
		p.Asks, p.Poll = true, true
		i.Join(p)
		pass(time.Minute)
		streamtest.Want(t, "events for a new poll", len(i.events())-before, 1)
	})
	inBubble(t, "CountsPollsTogether", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		synctest.Wait()
		for n := range int64(3) {
			i.polls("", n)
		}
		synctest.Wait()
		streamtest.Want(t, "polls that are not counted yet", i.queued(), 3)
		pass(gather)
		streamtest.Want(t, "polls that are not counted after some time", i.queued(), 0)
		i.polls("", 3)
		before := time.Now()
		state, err := i.State(t.Context(), post42) // is told of polls that wait
		streamtest.Must(t, err)
		streamtest.Want(t, "viewers", state.Viewers, 4)
		streamtest.Want(t, "time until the state is known", time.Since(before), 0)
	})
	inBubble(t, "ShowsTwentyUsersAndHintsOfTheOthers", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.watches("watcher")
		pass(time.Second)
		var visits []*Visit
		for n := range 30 {
			visits = append(visits, i.reads(fmt.Sprintf("u%02d", n)))
			if n == 0 {
				synctest.Wait() // the first one is shown at once, all others in the next event
			}
		}
		flicker := i.reads("flicker")
		flicker.End()
		pass(time.Second)
		got := i.last(t)
		streamtest.Want(t, "viewers", got.Viewers, 31)
		streamtest.Want(t, "users", len(got.Users), 20)
		streamtest.Want(t, "the first user", got.Users[0], User{"u00", "The u00"})
		streamtest.Want(t, "joined", len(got.Joined), 20)
		streamtest.Want(t, "left", len(got.Left), 0)
		visits[7].End()
		pass(time.Second)
		streamtest.Want(t, "left", i.last(t).Left, []User{{"u07", "The u07"}})
		streamtest.Want(t, "joined", len(i.last(t).Joined), 0)
	})
	inBubble(t, "CountsThePollsOfAReaderAsOne", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.watches("ben")
		for n := range int64(4) { // anonymous readers at two cursors
			v := i.polls("", n%2)
			pass(time.Second)
			v.Answer(cursorAt(10 + n%2))
			v.End()
		}
		signed := i.polls("ann", 0)
		signed.Answer(cursorAt(10))
		signed.End()
		pass(time.Second)
		wantViewers(t, i, 6, "ann", "ben")
		var again []*Visit
		for n := range int64(4) {
			again = append(again, i.polls("", 10+n%2))
		}
		signed = i.polls("ann", 10)
		pass(time.Minute) // they wait
		wantViewers(t, i, 6, "ann", "ben")
		again[0].Answer(cursorAt(20))
		again[0].End()
		again[1].End() // the client has left
		signed.Answer(cursorAt(20))
		signed.End()
		pass(9 * time.Second)
		wantViewers(t, i, 5, "ann", "ben")
		pass(2 * time.Second)
		wantViewers(t, i, 3, "ben")
	})
	inBubble(t, "CountsAReaderOfAnotherPostOnlyThere", func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		i.watches("")
		i.Join(Reader{Posts: []stream.Topic{post43}})
		both := i.Join(Reader{Posts: []stream.Topic{post42, post43}})
		pass(time.Second)
		wantViewers(t, i, 2)
		both.End()
		pass(time.Second)
		wantViewers(t, i, 1)
	})
	inBubble(t, "ForgetsPostsWithoutReaders", func(t *testing.T) {
		b := newTable()
		i := start(t, b)
		v := i.watches("ann")
		poll := i.polls("", 1)
		poll.Answer(cursorAt(2))
		poll.End()
		pass(time.Second)
		v.End()
		pass(time.Minute)
		i.stop()
		streamtest.Want(t, "rooms", len(i.ledger.rooms)+len(i.ledger.schedule)+i.ledger.watched+len(i.ledger.dirty), 0)
		streamtest.Want(t, "instances on the board", len(b.instances)+len(b.rows), 0)
	})
	t.Run("DoesNothingWhenItIsNil", func(t *testing.T) {
		t.Parallel()
		var p *Presence
		v := p.Join(readerOf("ann"))
		v.Answer(cursorAt(1))
		v.End()
	})
}

// 15,000 readers, of whom 200 come and 200 go each second, as a page that goes around.
func TestPresence_SendsACrowdOneEventInFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := start(t, nil)
		defer i.stop()
		var visits []*Visit
		for range 15_000 {
			visits = append(visits, i.watches(""))
		}
		pass(20 * time.Second)
		before := len(i.events())
		for second := range 30 {
			for n := range 200 {
				visits[(second*200+n)%len(visits)].End()
				visits[(second*200+n)%len(visits)] = i.watches("")
			}
			pass(time.Second)
		}
		streamtest.Want(t, "events while the number stays", len(i.events())-before, 0)
		for range 30 { // 1,500 more in 30 s
			for range 50 {
				visits = append(visits, i.watches(fmt.Sprint("user-", len(visits))))
			}
			pass(time.Second)
		}
		events := i.events()[before:]
		streamtest.Want(t, "users", len(i.last(t).Users), 20)
		streamtest.Want(t, "joined", len(i.last(t).Joined), 5)
		if len(events) < 4 || len(events) > 6 {
			t.Errorf("%d events in 30 s, in which the number grew by a tenth", len(events))
		}
		wantPace(t, events, 5*time.Second)
		for n := 1; n < len(events); n++ {
			if d := events[n].Viewers - events[n-1].Viewers; d*100 < events[n-1].Viewers {
				t.Errorf("an event for a change of %d of %d", d, events[n-1].Viewers)
			}
		}
	})
}

var errDown = errors.New("database is down")
