package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A faultyLog is a log whose reads for readers fail with an error, or do not return.
type faultyLog struct {
	*memoryLog
	mu    sync.Mutex // guards the fields below
	fault error
	hang  bool
}

func (l *faultyLog) set(fault error, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.hang = fault, hang
}

func (l *faultyLog) Read(ctx context.Context, q Query) (Batch, error) {
	l.mu.Lock()
	fault, hang := l.fault, l.hang
	l.mu.Unlock()
	switch {
	case q.Topics == nil || fault == nil:
		return l.memoryLog.Read(ctx, q)
	case hang: // as long as the timeout of a read
		<-time.After(10 * time.Second)
	}
	return Batch{}, fault
}

// A sqlError is an error as Postgres reports it.
type sqlError string

func (e sqlError) Error() string    { return "SQLSTATE " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

// The log cannot be read for readers that are behind, for any cause: the operator gets one
// line of log, a counter and the readiness; each stream gets stream.bye and each poll an
// error. When the log can be read again, readers continue and lose nothing.
func TestUnreadableLog_IsReported(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		fault error
		hang  bool
	}{
		"RevokedFunction":  {sqlError("42501"), false},
		"StatementTimeout": {sqlError("57014"), true},
		"Lock":             {fmt.Errorf("read: %w", context.DeadlineExceeded), true},
		"KilledConnection": {sqlError("57P01"), false},
		"ReadOnly":         {sqlError("25006"), false},
		"BadRow":           {errors.New("cannot scan into *int64"), false},
		"CorruptedRow":     {sqlError("XX001"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { unreadable(t, c.fault, c.hang) })
		})
	}
}

func unreadable(t *testing.T, fault error, hang bool) {
	var text bytes.Buffer
	log := &faultyLog{memoryLog: newMemoryLog()}
	log.append(slices.Repeat([]Topic{post42}, 20)...)
	h := run(t, log, HubConfig{RingEvents: 1, Logger: slog.New(slog.NewTextHandler(&text, nil))})
	log.set(fault, hang)

	topics := []Topic{post42}
	var streams []*watched
	for range 20 {
		streams = append(streams, watch(t, h, FeedConfig{Topics: topics, Start: Earliest}))
	}
	p := subscribe(t, h, Earliest, topics...)
	if _, err := p.Take(t.Context(), Unlimited); !errors.Is(err, ErrUnreadable) || !errors.Is(err, fault) {
		t.Errorf("a poll gets %v, want ErrUnreadable with its cause", err)
	}
	if err := h.Err(); !errors.Is(err, fault) {
		t.Errorf("the hub reports %v, want %v", err, fault)
	}
	if s := h.Stats(); s.ReplayFaults == 0 || s.Readable {
		t.Errorf("%d failures are counted, and readable is %t", s.ReplayFaults, s.Readable)
	}
	for _, w := range streams {
		<-w.done
		if w.end != EndUnavailable || !strings.Contains(w.text.String(), `data: {"reason":"unavailable"}`) {
			t.Errorf("a stream ended with %q:\n%s", w.end, w.text.String())
		}
		if at := w.times("stream.bye"); at[0] < unreadableMost || at[0] > unreadableMost+20*time.Second {
			t.Errorf("a stream ended at %v", at)
		}
	}
	if n := strings.Count(text.String(), `msg="past events cannot be read"`); n != 1 {
		t.Errorf("%d lines for one cause:\n%s", n, text.String())
	}

	log.set(nil, false) // no reader is left, and no other read would find that the log is readable
	pass(12 * time.Second)
	if err := h.Err(); err != nil {
		t.Errorf("the hub still reports %v", err)
	}
	if !strings.Contains(text.String(), "past events are read again") || !h.Stats().Readable {
		t.Errorf("the end of the failure is not reported:\n%s", text.String())
	}
	resumed := subscribe(t, h, At(streams[0].feed.sent), topics...)
	wantAll(t, takeAll(t, resumed), log.want(0, post42))
}

// A stream stays if the log can be read again within the time, and gets all events.
func TestUnreadableLog_ForAShortTimeEndsNoStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &faultyLog{memoryLog: newMemoryLog()}
		log.append(slices.Repeat([]Topic{post42}, 20)...)
		h := run(t, log, HubConfig{RingEvents: 1})
		log.set(sqlError("57P01"), false)
		w := watch(t, h, FeedConfig{Topics: []Topic{post42}, Start: Earliest})
		pass(unreadableMost - 1500*time.Millisecond)
		log.set(nil, false)
		pass(time.Minute)
		if got := len(w.times("x")); got != 20 {
			t.Errorf("the stream got %d events", got)
		}
		if w.times("stream.bye") != nil {
			t.Error("the stream ended")
		}
		log.set(sqlError("57P01"), false) // a later failure gets the whole time again
		before := h.Stats().ReplayFaults
		pass(time.Minute)
		if h.Stats().ReplayFaults != before {
			t.Error("a live stream needs no past events")
		}
	})
}
