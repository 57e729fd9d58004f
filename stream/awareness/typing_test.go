package awareness

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var (
	post42 = mustTopic("42")
	post43 = mustTopic("43")
)

func mustTopic(id string) stream.Topic {
	topic, err := stream.NewTopic("post", id)
	if err != nil {
		panic(err)
	}
	return topic
}

// pass lets time pass in a synctest bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A recorder is a Broadcaster that records each state with its time.
type recorder struct {
	start  time.Time
	states []string
}

func (r *recorder) Broadcast(e stream.Event) {
	r.states = append(r.states, time.Since(r.start).String()+" "+e.Topic.String()+" "+e.Data.String())
}

func TestTyping(t *testing.T) {
	t.Parallel()

	ann, ben := User{"ann", "Ann"}, User{"ben", "Ben"}
	const annTypes = `post:42 {"postId":"42","users":[{"id":"ann","name":"Ann"}],"count":1}`
	const bothType = `post:42 {"postId":"42","users":[{"id":"ann","name":"Ann"},{"id":"ben","name":"Ben"}],"count":2}`
	const nobodyTypes = `post:42 {"postId":"42","users":[],"count":0}`

	bubble := func(name string, want []string, signals func(typing *Typing)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := &recorder{start: time.Now()}
				typing := NewTyping(out)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- typing.Run(ctx) }()
				signals(typing)
				pass(time.Minute)
				stop()
				streamtest.Must(t, <-done)
				streamtest.Want(t, "the number of remembered posts", len(typing.posts), 0)
				wantStates(t, out.states, want)
			})
		})
	}

	bubble("ForgetsSixSecondsAfterTheLastSignal", []string{"0s " + annTypes, "3s " + annTypes, "9s " + nobodyTypes}, func(typing *Typing) {
		typing.Signal(post42, ann)
		pass(3 * time.Second)
		typing.Signal(post42, ann)
	})
	bubble("BroadcastsAtMostOnceASecond", []string{"0s " + annTypes, "1s " + bothType, "6.5s " + nobodyTypes}, func(typing *Typing) {
		typing.Signal(post42, ann)
		synctest.Wait()
		for range 5 {
			pass(100 * time.Millisecond)
			typing.Signal(post42, ann)
			typing.Signal(post42, ben)
		}
	})
	bubble("StopsAtOnceWhenTheCommentIsSent", []string{"0s " + annTypes, "2s " + nobodyTypes}, func(typing *Typing) {
		typing.Signal(post42, ann)
		pass(2 * time.Second)
		if !typing.Types(post42, "ann") || typing.Types(post42, "ben") || typing.Types(post43, "ann") {
			t.Error("Types is wrong")
		}
		typing.Stop(post42, "ann")
		typing.Stop(post42, "ben")
	})
}

// 1,000 users signal at random times, each every 2.5 s, and one more than the bound.
func TestTypingOfManyUsersIsOneEventASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &recorder{start: time.Now()}
		typing := NewTyping(out)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- typing.Run(ctx) }()
		for n := range 8 * maxTypists {
			typing.Signal(post42, User{ID: strconv.Itoa(n % (maxTypists + 1))})
			pass(2500 * time.Microsecond)
		}
		pass(0)
		if n := len(out.states); n < 20 || n > 21 { // 21 if one is sent at the end of the last second
			t.Errorf("%d states in 20 s", n)
		}
		if last := out.states[len(out.states)-1]; !strings.HasSuffix(last, `"count":1000}`) {
			t.Errorf("the last is %s", last)
		}
		stop()
		streamtest.Must(t, <-done)
	})
}

func wantStates(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing %s", want[i])
		case i >= len(want):
			t.Errorf("unexpected %s", got[i])
		case got[i] != want[i]:
			t.Errorf("got %s\nwant %s", got[i], want[i])
		}
	}
}

func TestTypingShowsFiveAndCountsTheRest(t *testing.T) {
	t.Parallel()

	typing := NewTyping(nil)
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		typing.Signal(post42, User{id, id})
	}
	states, _ := typing.due(time.Now())
	const want = `{"postId":"42","users":[{"id":"a","name":"a"},{"id":"b","name":"b"},{"id":"c","name":"c"},{"id":"d","name":"d"},{"id":"e","name":"e"}],"count":7}`
	if len(states) != 1 || states[0].Data.String() != want {
		t.Errorf("got %v\nwant %s", states, want)
	}
}
