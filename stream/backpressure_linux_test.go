package stream

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// narrow returns both ends of a connection with small socket buffers.
func narrow(t testing.TB, size int) (near, far *net.TCPConn) {
	t.Helper()
	near, far = sockets(t)
	if err := near.SetReadBuffer(size); err != nil {
		t.Fatal(err)
	}
	if err := far.SetWriteBuffer(size); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// A handClock is the clock of a hub. It stands still until a test calls pass.
type handClock struct {
	hub *Hub
	now atomic.Int64
}

func liveByHand(t testing.TB, log Log, cfg HubConfig) (*Hub, *handClock) {
	t.Helper()
	c := &handClock{hub: NewHub(log, cfg)}
	c.hub.now = func() time.Duration { return time.Duration(c.now.Load()) }
	return start(t, c.hub), c
}

// pass moves the clock on and wakes the workers.
func (c *handClock) pass(d time.Duration) {
	c.now.Add(int64(d))
	for _, l := range c.hub.shards {
		l.wake()
	}
}

// patience is the patience of hubs with a handClock.
const patience = 10 * time.Second

// trickle lets a client take a little of a large part, so many times, each time after
// almost the whole patience of the hub has passed. It returns the ids of the events.
func trickle(t *testing.T, times int) (c *client, want []string) {
	t.Helper()
	log := padded{newMemoryLog(), large(2_000_000)}
	h, clock := liveByHand(t, log, HubConfig{Patience: patience})
	near, far := narrow(t, 32<<10)
	c = attachTo(t, h, FeedConfig{Topics: []Topic{post42}}, near, far)
	log.append(post42, post42)
	h.Wake()
	unsent := func() int64 { return h.Stats().Unsent }
	streamtest.Eventually(t, "the socket is full", func() bool { return unsent() > 0 })
	for range times {
		clock.pass(patience * 9 / 10)
		before := unsent()
		streamtest.Eventually(t, "the socket takes some", func() bool {
			if _, err := io.ReadFull(c.lines, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			return unsent() < before
		})
	}
	return c, texts(log.want(0, post42))
}

func TestBackPressure(t *testing.T) {
	t.Parallel()
	topics := []Topic{post42}

	t.Run("CutsAClientThatStopsReadingAndNoOther", func(t *testing.T) {
		t.Parallel()
		log := padded{newMemoryLog(), large(10_000)}
		h, clock := liveByHand(t, log, HubConfig{Patience: patience, RingEvents: 10, Shards: 1})
		near, far := narrow(t, 4<<10)
		stopped := attachTo(t, h, FeedConfig{Topics: topics}, near, far)
		var others []*client
		for range 5 {
			others = append(others, attach(t, h, FeedConfig{Topics: topics}))
		}
		const n = 100
		var reading sync.WaitGroup
		for _, c := range others {
			reading.Go(func() { c.all(n, "x") })
		}
		for range n {
			log.append(post42)
			h.Wake()
		}
		reading.Wait()
		clock.pass(patience - 1)
		if ended := h.Stats().Ended; len(ended) > 0 {
			t.Errorf("ended before its time: %v", ended)
		}
		clock.pass(2 * wheelSlot)
		if end := <-stopped.ended; end != EndStalled {
			t.Errorf("ended with %q", end)
		}
		streamtest.Eventually(t, "nothing is counted as unsent", func() bool { return h.Stats().Unsent == 0 })
	})
	t.Run("ABurstCutsNoClientThatReads", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{RingEvents: 500, Backlog: 16, Patience: 5 * time.Second})
		const n = 10_000
		var reading sync.WaitGroup
		var got [4][]string
		for i := range got {
			near, far := narrow(t, 32<<10)
			c := attachTo(t, h, FeedConfig{Topics: topics}, near, far)
			reading.Go(func() { got[i] = c.all(n, "x") })
		}
		log.append(slices.Repeat([]Topic{post42}, n)...)
		h.Wake()
		reading.Wait()
		want := texts(log.want(0, post42))
		for i := range got {
			if !slices.Equal(got[i], want) {
				t.Errorf("reader %d got other events", i)
			}
		}
		if ended := h.Stats().Ended; len(ended) > 0 {
			t.Errorf("ended: %v", ended)
		}
	})
	t.Run("WritesOnAsTheSocketDrains", func(t *testing.T) {
		t.Parallel()
		log := padded{newMemoryLog(), large(10_000)}
		h := live(t, log, HubConfig{Patience: time.Hour, RingEvents: 10}) // so that no timer fires
		near, far := narrow(t, 32<<10)
		c := attachTo(t, h, FeedConfig{Topics: topics}, near, far)
		log.append(slices.Repeat([]Topic{post42}, 300)...)
		h.Wake()
		streamtest.Eventually(t, "bytes wait for the socket", func() bool { return h.Stats().Unsent > 0 })
		if got, want := c.all(300, "x"), texts(log.want(0, post42)); !slices.Equal(got, want) {
			t.Error("got other events")
		}
	})
	t.Run("TellsAClientThatIsTooSlow", func(t *testing.T) {
		t.Parallel()
		c, _ := trickle(t, 4)
		rest, err := io.ReadAll(c.lines)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(rest), err)
		}
		if end := rest[max(0, len(rest)-200):]; !strings.Contains(string(end), `{"reason":"slow"}`) {
			t.Errorf("the end is %q", end)
		}
		if end := <-c.ended; end != EndSlow {
			t.Errorf("ended with %q", end)
		}
	})
	t.Run("DoesNotCutAClientThatIsLessSlow", func(t *testing.T) {
		t.Parallel()
		c, want := trickle(t, 3)
		for _, id := range want {
			if _, got := c.block(); got != id {
				t.Errorf("got %s, want %s", got, id)
			}
		}
	})
	t.Run("BacklogAndBufferStayWithinTheirBounds", func(t *testing.T) {
		t.Parallel()
		log := padded{newMemoryLog(), large(1000)}
		h := live(t, log, HubConfig{Patience: time.Minute, RingEvents: 100, Shards: 1})
		near, far := narrow(t, 4<<10)
		attachTo(t, h, FeedConfig{Topics: topics}, near, far)
		for range 50 {
			log.append(slices.Repeat([]Topic{post42}, 100)...)
			h.Wake()
			head := log.want(0, post42)
			streamtest.Eventually(t, "read", func() bool { return h.Head() == head[len(head)-1] })
		}
		streamtest.Eventually(t, "behind", func() bool { return h.Stats().Behind == 1 })
		l := h.shards[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		for s := range l.allLocked() {
			if s.backlog.bytes > chunkBytes || len(s.backlog.frames) > chunkFrames {
				t.Errorf("%d bytes, %d frames wait", s.backlog.bytes, len(s.backlog.frames))
			}
		}
		if l.count.Unsent > 2*partBytes {
			t.Errorf("%d bytes are buffered", l.count.Unsent)
		}
	})
}
