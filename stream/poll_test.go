package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A caller is a [PollCaller] whose answer is what encode returns.
type caller struct {
	encode  func(PollResult) []byte
	place   int // of the body in what encode returns; 0: at its end
	body    func(PollResult) *PollBody
	ended   func(End)
	back    func(net.Conn, []byte)
	next    func([]byte) (PollConfig, bool)
	reserve func(int) (func(), bool)
}

func (c *caller) Body(r PollResult) *PollBody {
	if c.body == nil {
		return &PollBody{}
	}
	return c.body(r)
}

func (c *caller) Answer(b []byte, r PollResult, _ *PollBody) ([]byte, int) {
	start := len(b)
	b = append(b, c.encode(r)...)
	if c.place > 0 {
		return b, start + c.place
	}
	return b, len(b)
}

func (c *caller) Reserve(bytes int) (func(), bool) {
	if c.reserve == nil {
		return func() {}, true
	}
	return c.reserve(bytes)
}

func (c *caller) Ended(end End) {
	if c.ended != nil {
		c.ended(end)
	}
}

func (c *caller) Idle() time.Duration { return time.Hour }

func (c *caller) Next(read []byte) (PollConfig, bool) {
	if c.next == nil {
		return PollConfig{}, false
	}
	return c.next(read)
}

func (c *caller) Return(conn net.Conn, read []byte) {
	if c.back != nil {
		c.back(conn, read)
	}
}

// A ranPoll is the outcome of a poll that ran in a goroutine.
type ranPoll struct {
	results []PollResult
	took    time.Duration
	ended   []End
	err     error
}

// runPoll runs a poll in a goroutine, in a synctest bubble, and calls during while it
// waits.
func runPoll(t *testing.T, h *Hub, start Start, wait time.Duration, write error, during func(leave func())) ranPoll {
	t.Helper()
	var got ranPoll
	begun := time.Now()
	p, err := h.OpenPoll(PollConfig{
		Topics: []Topic{post42}, Start: start, Until: begun.Add(wait), Limit: 10,
		Caller: &caller{
			encode: func(r PollResult) []byte { got.results = append(got.results, r); return []byte("answer") },
			ended:  func(end End) { got.ended = append(got.ended, end) },
		},
	})
	streamtest.Must(t, err)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	done := make(chan error)
	go func() { done <- p.Run(ctx, func([]byte) error { return write }) }()
	synctest.Wait()
	during(leave)
	got.err = <-done
	got.took = time.Since(begun)
	p.Close()
	return got
}

func TestPollInAGoroutine(t *testing.T) {
	t.Parallel()

	bubble := func(name string, end End, test func(t *testing.T, h *Hub, log *memoryLog) ranPoll) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := newMemoryLog()
				h := run(t, log, HubConfig{Shards: 1})
				got := test(t, h, log)
				streamtest.Want(t, "the ends", got.ended, []End{end})
				streamtest.Want(t, "the number of answers", len(got.results), 1)
				stats := h.Stats()
				streamtest.Want(t, "the counted ends", stats.Ended, map[Ended]int64{{Poll, end}: 1})
				streamtest.Want(t, "open polls", stats.Readers[Poll], 0)
				streamtest.Want(t, "writes to streams", stats.Writes, 0)
			})
		})
	}
	nothing := func(func()) {}

	bubble("AnswersAnEventAtOnce", EndAnswered, func(t *testing.T, h *Hub, log *memoryLog) ranPoll {
		got := runPoll(t, h, Now, time.Hour, nil, func(func()) { write(h, log, post42) })
		streamtest.Want(t, "the number of frames", len(got.results[0].Frames), 1)
		streamtest.Want(t, "the cursor", got.results[0].Cursor, log.lastCursor())
		streamtest.Want(t, "the wait", got.took, 0)
		return got
	})
	bubble("AnswersAtTheEndOfTheWait", EndAnswered, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		got := runPoll(t, h, Now, time.Minute, nil, nothing)
		streamtest.Want(t, "the result", got.results[0], PollResult{Cursor: h.Head(), Keep: true})
		streamtest.Want(t, "the wait", got.took, time.Minute)
		return got
	})
	bubble("ReportsAGap", EndAnswered, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		got := runPoll(t, h, At(Cursor{7, 1}), time.Minute, nil, nothing)
		streamtest.WantErr(t, got.results[0].Err, ErrGone)
		return got
	})
	bubble("AnswersWhenTheHubCloses", EndShutdown, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		got := runPoll(t, h, Now, time.Minute, nil, func(func()) { h.Close() })
		streamtest.WantErr(t, got.results[0].Err, ErrClosed)
		return got
	})
	bubble("AnswersWhenTheClientLeaves", EndLeft, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		got := runPoll(t, h, Now, time.Minute, nil, func(leave func()) { leave() })
		streamtest.WantErr(t, got.results[0].Err, context.Canceled)
		return got
	})
	bubble("CountsAClientThatTakesNothing", EndStalled, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		got := runPoll(t, h, Now, time.Minute, os.ErrDeadlineExceeded, nothing)
		streamtest.WantErr(t, got.err, os.ErrDeadlineExceeded)
		return got
	})
	bubble("CountsAClientThatIsGone", EndLeft, func(t *testing.T, h *Hub, _ *memoryLog) ranPoll {
		gone := errors.New("gone")
		got := runPoll(t, h, Now, time.Minute, gone, nothing)
		streamtest.WantErr(t, got.err, gone)
		return got
	})
}

// Ready waits for a read of the log, but not for events.
func TestPollReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		log.append(post42, post43)
		h := run(t, log, HubConfig{RingEvents: 1})
		for _, c := range []struct {
			name  string
			start Start
			wait  time.Duration
			want  bool
		}{
			{"events in the log", Earliest, time.Minute, true},
			{"no events", Now, time.Minute, false},
			{"no events and no wait", Now, 0, true},
		} {
			p, err := h.OpenPoll(PollConfig{Topics: []Topic{post42}, Start: c.start, Until: time.Now().Add(c.wait), Limit: 1, Caller: &caller{}})
			streamtest.Must(t, err)
			streamtest.Want(t, "ready with "+c.name, p.Ready(t.Context()), c.want)
			p.Close()
		}
		streamtest.Want(t, "the counted ends", len(h.Stats().Ended), 0)
	})
}
