package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	post42 = Topic{"post:42"}
	post43 = Topic{"post:43"}
)

// run starts a hub in a synctest bubble and waits until it has read the log.
func run(t *testing.T, log Log, cfg HubConfig) *Hub {
	t.Helper()
	if cfg.Gather == 0 {
		cfg.Gather = -1 // the clock of a bubble stands still
	}
	h := NewHub(log, cfg)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	synctest.Wait()
	return h
}

// pass lets time of the bubble's clock go by, and what is to happen then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// write appends to the log and rings the doorbell.
func write(h *Hub, log *memoryLog, topics ...Topic) {
	log.append(topics...)
	h.Wake()
	synctest.Wait()
}

func subscribe(t *testing.T, h *Hub, start Start, topics ...Topic) *Subscription {
	t.Helper()
	s, err := h.Subscribe(topics, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// takeAll returns the cursors of everything there is.
func takeAll(t *testing.T, s *Subscription) (got []Cursor) {
	t.Helper()
	for {
		frames, err := s.Take(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 0 {
			return got
		}
		for _, f := range frames {
			got = append(got, f.Cursor)
		}
	}
}

func wantGap(t *testing.T, s *Subscription, reason GapReason, resumed Cursor) {
	t.Helper()
	_, err := s.Take(t.Context(), Unlimited)
	var gap *GapError
	if !errors.Is(err, ErrGone) || !errors.As(err, &gap) || gap.Reason != reason || gap.Resumed != resumed {
		t.Fatalf("got %v, want a gap (%s) resumed at %v", err, reason, resumed)
	}
}

func wantAll(t *testing.T, got, want []Cursor) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
}

func TestHub(t *testing.T) {
	t.Parallel()

	bubble := func(name string, test func(t *testing.T, log *memoryLog)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newMemoryLog()) })
		})
	}

	bubble("ReplaysThenGoesLive", func(t *testing.T, log *memoryLog) {
		log.append(post42, post43, post42)
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Earliest, post42)
		got := takeAll(t, s)
		write(h, log, post43, post42)
		wantAll(t, append(got, takeAll(t, s)...), log.want(0, post42))
		if s.Cursor() != h.Head() {
			t.Errorf("cursor %v, want the head %v", s.Cursor(), h.Head())
		}
	})

	bubble("NowSkipsThePast", func(t *testing.T, log *memoryLog) {
		log.append(post42)
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Now, post42)
		from := s.Cursor()
		write(h, log, post42)
		wantAll(t, takeAll(t, s), log.want(from.Position, post42))
	})

	bubble("ResumesFromAnyCursorInMemoryOrLog", func(t *testing.T, log *memoryLog) {
		for range 50 {
			log.append(post42, post43)
		}
		h := run(t, log, HubConfig{RingEvents: 20})
		for position := range log.last + 1 {
			s := subscribe(t, h, At(Cursor{1, position}), post42, post43)
			wantAll(t, takeAll(t, s), log.want(position, post42, post43))
		}
	})

	bubble("ResumesRecentCursorsWithoutTheLog", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		write(h, log, post42, post42, post42)
		s := subscribe(t, h, At(log.want(0, post42)[0]), post42)
		log.setBroken(true)
		wantAll(t, takeAll(t, s), log.want(1, post42))
	})

	bubble("ASlowReaderFallsBehindAndMissesNothing", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Backlog: 4, RingEvents: 8})
		s := subscribe(t, h, Now, post42)
		other := subscribe(t, h, Now, post42)
		for range 30 {
			write(h, log, post42)
			takeAll(t, other)
		}
		if s.at.live || len(s.backlog.frames) > 4 {
			t.Errorf("a slow reader has %d frames waiting", len(s.backlog.frames))
		}
		wantAll(t, takeAll(t, s), log.want(0, post42))
		if !s.Drained() || log.replays() == 0 {
			t.Error("the slow reader did not come back through the log")
		}
	})

	bubble("BurstIsReadFromTheRing", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Backlog: 4})
		s := subscribe(t, h, Now, post42)
		write(h, log, slices.Repeat([]Topic{post42, post43}, 6000)...)
		wantAll(t, takeAll(t, s), log.want(0, post42))
	})

	bubble("OlderThanTheLogIsAGap", func(t *testing.T, log *memoryLog) {
		log.append(slices.Repeat([]Topic{post42}, 10)...)
		old := log.want(0, post42)[2]
		log.trim(log.want(0, post42)[5].Position)
		h := run(t, log, HubConfig{RingEvents: 2})
		s := subscribe(t, h, At(old), post42)
		wantGap(t, s, GapExpired, h.Head())
		write(h, log, post42)
		wantAll(t, takeAll(t, s), log.want(log.want(0, post42)[3].Position, post42))
	})

	bubble("FutureCursorIsAGap", func(t *testing.T, log *memoryLog) {
		log.append(post42)
		h := run(t, log, HubConfig{})
		wantGap(t, subscribe(t, h, At(Cursor{1, 999}), post42), GapRestored, h.Head())
		wantGap(t, subscribe(t, h, At(Cursor{7, 1}), post42), GapRestored, h.Head())
	})

	bubble("CursorAheadOfThisHubIsNoGap", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Tick: time.Hour})
		log.append(post42, post42) // committed, and this hub has not read them
		ahead := log.want(0, post42)[1]
		s := subscribe(t, h, At(ahead), post42)
		wantAll(t, takeAll(t, s), nil)
		write(h, log, post42) // now it reads all three
		wantAll(t, takeAll(t, s), log.want(ahead.Position, post42))
	})

	bubble("EarliestIsNoGapWhenTheFloorRises", func(t *testing.T, log *memoryLog) {
		log.append(slices.Repeat([]Topic{post42}, 10)...)
		h := run(t, log, HubConfig{RingEvents: 2, Tick: time.Hour})
		log.trim(log.want(0, post42)[4].Position)
		wantAll(t, takeAll(t, subscribe(t, h, Earliest, post42)), log.want(0, post42))
	})

	bubble("ARestoreIsAGapOnlyForReadersBeyondIt", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		write(h, log, slices.Repeat([]Topic{post42}, 10)...)
		seen := log.want(0, post42)
		beyond := subscribe(t, h, Now, post42)
		within := subscribe(t, h, At(seen[2]), post42)

		log.restore(seen[6].Position)
		h.Wake()
		synctest.Wait()
		wantGap(t, beyond, GapRestored, seen[6])
		wantAll(t, takeAll(t, within), seen[3:7])

		log.newEpoch(2)
		write(h, log, post42)
		wantAll(t, takeAll(t, beyond), log.want(seen[6].Position, post42))
		wantAll(t, takeAll(t, within), log.want(seen[6].Position, post42))
		// A reader with a cursor in the lost part, which the head has passed meanwhile.
		wantGap(t, subscribe(t, h, At(seen[8]), post42), GapRestored, h.Head())
	})

	bubble("UnreadableLogIsRetried", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Now, post42)
		log.setBroken(true)
		write(h, log, post42)
		if !errors.Is(h.Err(), errBroken) {
			t.Errorf("Err() = %v while the log is broken", h.Err())
		}
		log.setBroken(false)
		pass(2 * time.Second)
		synctest.Wait()
		wantAll(t, takeAll(t, s), log.want(0, post42))
		if h.Err() != nil {
			t.Errorf("Err() = %v afterwards", h.Err())
		}
	})

	bubble("GathersEventsAfterMany", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Gather: 10 * time.Millisecond})
		s := subscribe(t, h, Now, post42)
		write(h, log, slices.Repeat([]Topic{post42}, few+1)...)
		wantAll(t, takeAll(t, s), log.want(0, post42))
		many := log.lastCursor()
		write(h, log, post42)
		write(h, log, post42)
		wantAll(t, takeAll(t, s), nil)
		pass(10 * time.Millisecond)
		wantAll(t, takeAll(t, s), log.want(many.Position, post42))
	})

	bubble("DoesNotWaitAfterAFew", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Gather: 10 * time.Millisecond})
		s := subscribe(t, h, Now, post42)
		for range 3 {
			before := h.Head()
			write(h, log, slices.Repeat([]Topic{post42}, few)...)
			wantAll(t, takeAll(t, s), log.want(before.Position, post42))
		}
	})

	bubble("TheTickFindsEventsWithoutADoorbell", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{Tick: 5 * time.Second})
		s := subscribe(t, h, Now, post42)
		log.append(post42)
		start := time.Now()
		if _, err := s.Next(t.Context(), 1); err != nil || time.Since(start) > 5*time.Second {
			t.Errorf("Next: %v after %v", err, time.Since(start))
		}
	})

	bubble("EphemeralStatesReplaceEachOtherAndMoveNoCursor", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Now, post42)
		before := s.Cursor()
		for _, text := range []string{"1", "2", "3"} {
			h.Broadcast(Event{Topic: post42, Name: TypingName, Data: data(t, text)})
		}
		h.Broadcast(Event{Topic: post43, Name: TypingName, Data: data(t, "9")})
		frames, err := s.Take(t.Context(), Unlimited)
		if err != nil || len(frames) != 1 || frames[0].Data().String() != "3" || s.Cursor() != before {
			t.Errorf("got %v, %v at %v", frames, err, s.Cursor())
		}
	})

	bubble("CloseEndsNext", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Now, post42)
		ended := make(chan error)
		go func() {
			_, err := s.Next(context.Background(), 1)
			ended <- err
		}()
		synctest.Wait()
		h.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Next: %v, want ErrClosed", err)
		}
		if _, err := h.Subscribe([]Topic{post42}, Now); !errors.Is(err, ErrClosed) {
			t.Errorf("Subscribe: %v, want ErrClosed", err)
		}
	})

	bubble("IsNotReadyBeforeTheFirstRead", func(t *testing.T, log *memoryLog) {
		log.setBroken(true)
		h := run(t, log, HubConfig{})
		if _, err := h.Subscribe([]Topic{post42}, Now); !errors.Is(err, ErrNotReady) {
			t.Errorf("Subscribe: %v, want ErrNotReady", err)
		}
	})

	bubble("ForgetsClosedSubscriptions", func(t *testing.T, log *memoryLog) {
		h := run(t, log, HubConfig{})
		s := subscribe(t, h, Now, post42, post43)
		s.Close()
		s.Close()
		for _, l := range h.shards {
			if len(l.audiences) != 0 || l.size != 0 {
				t.Errorf("%d topics left", len(l.audiences))
			}
		}
	})
}

// Readers leave and resume at random, at two hubs of which one lags, with tiny buffers,
// while a writer writes. Each gets each event once, in order.
func TestReadersThatHopBetweenHubsMissAndRepeatNothing(t *testing.T) {
	t.Parallel()

	log := newMemoryLog()
	cfg := HubConfig{Backlog: 3, RingEvents: 16, Batch: 5, Tick: time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	hubs := []*Hub{NewHub(log, cfg), NewHub(log, cfg)}
	for _, h := range hubs {
		background.Go(func() {
			if err := h.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for _, h := range hubs {
		for h.Err() != nil {
			runtime.Gosched()
		}
	}
	const events = 1000
	background.Go(func() {
		for i := range events {
			log.append([]Topic{post42, post43}[i%2])
			hubs[0].Wake() // the second hub reads only by its tick
		}
		log.append(post42)
	})

	var readers sync.WaitGroup
	for seed := range uint64(8) {
		readers.Go(func() { wantAll(t, hop(t, hubs, rand.New(rand.NewPCG(seed, 1)), events/2+1), log.want(0, post42)) })
	}
	readers.Wait()
	stop()
	background.Wait()
}

// hop reads n events of post 42, a few at a time, each time at another hub.
func hop(t *testing.T, hubs []*Hub, random *rand.Rand, n int) (got []Cursor) {
	cursor := Cursor{1, 0}
	for len(got) < n {
		s, err := hubs[random.IntN(len(hubs))].Subscribe([]Topic{post42}, At(cursor))
		if err != nil {
			t.Error(err)
			return got
		}
		for range random.IntN(5) {
			if len(got) == n {
				break
			}
			frames, err := s.Next(t.Context(), 1+random.IntN(4))
			if err != nil {
				t.Error(err)
				return got
			}
			for _, f := range frames {
				got = append(got, f.Cursor)
			}
		}
		if next := s.Cursor(); next.Position < cursor.Position {
			t.Errorf("cursor moved back from %v to %v", cursor, next)
		}
		cursor = s.Cursor()
		s.Close()
	}
	return got
}
