package stream

import (
	"bytes"
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A block is one block that a feed wrote, with its time.
type block struct {
	after time.Duration
	event string
}

// A watched feed runs in a synctest bubble and records what it writes.
type watched struct {
	feed   *Feed
	begun  time.Time
	text   bytes.Buffer
	blocks []block
	end    End
	done   chan error
	stop   context.CancelFunc
}

func watch(t *testing.T, h *Hub, cfg FeedConfig) *watched {
	t.Helper()
	w := &watched{begun: time.Now(), done: make(chan error, 1)}
	cfg.Ended = func(end End, _ net.Conn) { w.end = end }
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	feed, err := h.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.feed = feed
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { w.done <- feed.Run(ctx, w.write) }()
	t.Cleanup(stop)
	synctest.Wait()
	return w
}

// write records each block. A heartbeat is a block with the name ":".
func (w *watched) write(b []byte) error {
	w.text.Write(b)
	for rest := string(b); rest != ""; {
		if after, ok := strings.CutPrefix(rest, ":\n"); ok {
			w.blocks = append(w.blocks, block{time.Since(w.begun), ":"})
			rest = after
			continue
		}
		text, after, ok := strings.Cut(rest, "\n\n")
		if !ok {
			return errors.New("a block is not whole: " + text)
		}
		_, name, _ := strings.Cut(text, "event: ")
		name, _, _ = strings.Cut(name, "\n")
		w.blocks = append(w.blocks, block{time.Since(w.begun), name})
		rest = after
	}
	return nil
}

// times returns the times of the blocks with one name.
func (w *watched) times(event string) (at []time.Duration) {
	for _, e := range w.blocks {
		if e.event == event {
			at = append(at, e.after)
		}
	}
	return at
}

// The timers and the order of a stream, on the clock of a synctest bubble.
func TestFeed(t *testing.T) {
	t.Parallel()

	bubble := func(name string, test func(t *testing.T, h *Hub, log *memoryLog)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := newMemoryLog()
				test(t, run(t, log, HubConfig{Shards: 1}), log)
			})
		})
	}
	topics := []Topic{post42}

	bubble("EndsWithItsTokenAndWarns", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics, Expires: time.Now().Add(8 * time.Minute)})
		if err := <-w.done; err != nil || w.end != EndExpired {
			t.Errorf("ended with %q, %v", w.end, err)
		}
		if got := w.times("stream.expiring"); !slices.Equal(got, []time.Duration{7*time.Minute + 30*time.Second}) {
			t.Errorf("warned at %v", got)
		}
		if got := w.times("stream.bye"); !slices.Equal(got, []time.Duration{8 * time.Minute}) {
			t.Errorf("said goodbye at %v", got)
		}
		if beats := w.times(":"); len(beats) < 31 || len(beats) > 37 {
			t.Errorf("%d heartbeats in 8 minutes", len(beats))
		}
		if got := w.times("stream.checkpoint"); got != nil {
			t.Errorf("checkpoints at %v, though the log is quiet", got)
		}
	})
	bubble("SendsCheckpointsOnAQuietTopic", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		pass(500 * time.Millisecond)
		for range 7 * 60 {
			write(h, log, post43)
			pass(time.Second)
		}
		want := []time.Duration{time.Second, 3*time.Minute + time.Second, 6*time.Minute + time.Second}
		got := w.times("stream.checkpoint")
		for i := range got {
			got[i] = got[i].Truncate(time.Second)
		}
		if !slices.Equal(got, want) {
			t.Errorf("checkpoints at %v, want %v", got, want)
		}
	})
	bubble("OutlivesRetentionOnAQuietTopic", func(t *testing.T, h *Hub, log *memoryLog) {
		write(h, log, post42)
		w := watch(t, h, FeedConfig{Topics: topics})
		const kept = 15 // minutes, and events
		for range 4 * kept {
			write(h, log, post43)
			pass(time.Minute)
			if all := log.want(0, post43); len(all) > kept {
				log.trim(all[len(all)-kept].Position)
			}
		}
		if got := w.times("stream.gap"); got != nil {
			t.Errorf("told a gap at %v", got)
		}
		ids := strings.Split(w.text.String(), "\nid: ")
		last, _, _ := strings.Cut(ids[len(ids)-1], "\n")
		cursor, err := ParseCursor(last)
		if err != nil {
			t.Fatal(err)
		}
		other := run(t, log, HubConfig{RingEvents: 1}) // an instance with an empty ring
		s := subscribe(t, other, At(cursor), post42)
		wantAll(t, takeAll(t, s), nil) // a gap would be an error
		before := other.Head()
		write(other, log, post42)
		wantAll(t, takeAll(t, s), log.want(before.Position, post42))
	})
	bubble("SendsHeartbeatsOnlyWhenQuiet", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		for range 60 {
			pass(10 * time.Second)
			write(h, log, post42)
		}
		if got := w.times(":"); got != nil {
			t.Errorf("heartbeats at %v, though there were events", got)
		}
	})
	bubble("EndsAtARandomAge", func(t *testing.T, h *Hub, log *memoryLog) {
		ages := map[time.Duration]bool{}
		for range 20 {
			w := watch(t, h, FeedConfig{Topics: topics, MaxAge: 10 * time.Minute})
			<-w.done
			age := w.times("stream.bye")[0]
			if w.end != EndAge || age < 8*time.Minute || age > 10*time.Minute+time.Second {
				t.Errorf("ended with %q after %v", w.end, age)
			}
			ages[age.Round(time.Second)] = true
		}
		if len(ages) < 2 {
			t.Errorf("every age is %v", ages)
		}
	})
	bubble("HasNoAgeUnlessGivenOne", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		pass(time.Hour)
		if got := w.times("stream.bye"); got != nil {
			t.Errorf("said goodbye at %v", got)
		}
		if !strings.Contains(w.text.String(), `"maxAge":0`) {
			t.Errorf("stream.ready is %s", w.text.String())
		}
	})
	bubble("WaitsForAnUnreadableLog", func(t *testing.T, h *Hub, log *memoryLog) {
		log.append(slices.Repeat([]Topic{post42}, 3)...)
		h.Wake()
		synctest.Wait()
		h.mu.Lock()
		h.ring.reset(h.head.Position) // only the log has these events
		h.mu.Unlock()
		log.setBroken(true)
		w := watch(t, h, FeedConfig{Topics: topics, Start: Earliest})
		pass(5 * time.Second)
		log.setBroken(false)
		pass(2 * time.Second)
		if got := len(w.times("x")); got != 3 {
			t.Errorf("%d events came", got)
		}
		if reads := log.replays(); reads > 10 {
			t.Errorf("%d reads of the log", reads)
		}
	})
	bubble("ReportsAGapAndGoesOn", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics, Start: At(Cursor{7, 1})})
		write(h, log, post42)
		if len(w.times("stream.gap")) != 1 || len(w.times("x")) != 1 {
			t.Errorf("told %v", w.blocks)
		}
	})
	bubble("SendsByeWhenTheHubCloses", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		h.Close()
		if err := <-w.done; err != nil || w.end != EndShutdown || len(w.times("stream.bye")) != 1 {
			t.Errorf("ended with %q, %v: %v", w.end, err, w.blocks)
		}
	})
	bubble("DrainsOverTheWindow", func(t *testing.T, h *Hub, log *memoryLog) {
		var all []*watched
		for range 200 {
			all = append(all, watch(t, h, FeedConfig{Topics: topics}))
		}
		begun := time.Now()
		h.Drain(t.Context(), 100*time.Millisecond)
		if took := time.Since(begun); took > 200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		at := map[time.Duration]bool{}
		for _, w := range all {
			<-w.done
			at[w.times("stream.bye")[0]+w.begun.Sub(begun)] = true
		}
		if len(at) < 4 {
			t.Errorf("all ended at %v", at)
		}
		if _, err := h.Open(FeedConfig{Topics: topics}); !errors.Is(err, ErrClosed) {
			t.Errorf("a new one has %v", err)
		}
	})
	bubble("LeavesOutSupersededStates", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		log.like(1, 2, 3)
		log.append(post42)
		log.like(4, 5)
		h.Wake()
		pass(time.Second)
		text := w.text.String()
		if got := len(w.times("like-update")); got != 2 || !strings.Contains(text, `"count":3`) || !strings.Contains(text, `"count":5`) {
			t.Errorf("%d like-updates came, want those before and after the other event: %s", got, text)
		}
		if got := len(w.times("x")); got != 1 {
			t.Errorf("%d lossless events came", got)
		}
	})
	bubble("HoldsLikesBack", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		for n := range 200 {
			log.like(n)
			h.Wake()
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		at := w.times("like-update")
		if len(at) < 8 || len(at) > 9 {
			t.Errorf("%d like-updates in two seconds", len(at))
		}
		for i := range at[4:] { // even if one is delivered 40 ms late
			if fifth := at[i+4] - at[i]; fifth < time.Second+40*time.Millisecond {
				t.Errorf("five like-updates came within %v: %v", fifth, at)
			}
		}
		if !strings.HasSuffix(strings.Split(w.text.String(), "\nid: ")[len(w.blocks)-1], `"count":199}`) {
			t.Errorf("the newest did not come last: %s", w.text.String())
		}
	})
	bubble("HoldsLikesOfEachCommentBack", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		for n := range 200 {
			log.like(n)
			log.likeComments(n, 7, 8)
			h.Wake()
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		for _, of := range []string{"", `,"commentId":"7"`, `,"commentId":"8"`} {
			got := regexp.MustCompile(`data: {"postId":"42","count":[0-9]+`+of+`}`).FindAllString(w.text.String(), -1)
			if len(got) < 8 || len(got) > 9 {
				t.Errorf("%d like-updates with %q in two seconds", len(got), of)
			} else if last := got[len(got)-1]; !strings.Contains(last, `"count":199`) {
				t.Errorf("the last with %q is %s", of, last)
			}
		}
	})
	bubble("NothingOvertakesAHeldLike", func(t *testing.T, h *Hub, log *memoryLog) {
		w := watch(t, h, FeedConfig{Topics: topics})
		log.like(1)
		h.Wake()
		pass(10 * time.Millisecond)
		log.like(2)
		h.Wake()
		synctest.Wait()
		write(h, log, post42)
		var order []string
		for _, e := range w.blocks[1:] {
			order = append(order, e.event)
		}
		if !slices.Equal(order, []string{"like-update", "like-update", "x"}) {
			t.Errorf("came %v", order)
		}
	})
}
