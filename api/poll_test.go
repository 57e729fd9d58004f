package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A polled answer, parsed as a client does.
type polled struct {
	answer
	Events []struct {
		ID    *string
		Event string
		Topic string
		Data  json.RawMessage
	}
	Cursor string
	More   bool
}

// poll polls, and checks the fields that every answer has.
func (r *rig) poll(t testing.TB, query string, edits ...edit) polled {
	t.Helper()
	p := polled{answer: r.do(t, "GET", "/v1/poll?"+query, edits...)}
	if p.status != http.StatusOK || json.Unmarshal([]byte(p.body), &p) != nil || p.Events == nil {
		t.Fatalf("poll of %s: %d %s", query, p.status, p.body)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Origin",
		"X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
		"Next-Cursor": p.Cursor, "Content-Length": strconv.Itoa(len(p.body)),
	} {
		streamtest.Want(t, name, p.header.Get(name), value)
	}
	return p
}

// later begins a poll and returns when it waits. The channel gets the answer.
func (r *rig) later(t *testing.T, query string, edits ...edit) chan polled {
	t.Helper()
	done := make(chan polled, 1)
	req := r.request(t, "GET", "/v1/poll?"+query, edits...)
	r.prepare(req)
	go func() {
		defer close(done)
		res, err := r.client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		p := polled{answer: answer{status: res.StatusCode, header: res.Header}}
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		done <- p
	}()
	r.waiting(t, 1)
	return done
}

func TestPoll(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, poll)
}

func poll(t *testing.T, way func(*setup)) {
	r := newRig(t, way)
	start := r.head(t)
	r.publish(t, "room:1", "tick", `{"n": 1}`)
	one := r.head(t)
	r.publish(t, "room:2", "tick", `2`)
	two := r.head(t)
	r.publish(t, "room:1", "tick", `3`)
	end := r.head(t)

	t.Run("NowAnswersAtOnce", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"topic=room:1", "topic=room:1&cursor=now&wait=55", "topic=room:1&cursor="} {
			r.do(t, "GET", "/v1/poll?"+query).wants(t, 200, `{"events":[],"cursor":"`+end+`","more":false,"user":null}`)
		}
	})
	t.Run("HEADWaitsForNothing", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("HEAD /v1/poll?topic=room:9&wait=55&cursor=" + end + " HTTP/1.1")
		_, head := w.head()
		streamtest.Want(t, "Next-Cursor", head.Get("Next-Cursor"), end)
		w.ask("GET /healthz HTTP/1.1")
		status, _ := w.head() // no body came before
		streamtest.Want(t, "status line", status, "HTTP/1.1 200 OK")
	})
	t.Run("IsExact", func(t *testing.T) {
		t.Parallel()
		got := r.poll(t, "topic=room:1&topic=room:2&cursor="+start)
		streamtest.Want(t, "body", got.body, `{"events":[{"id":"`+one+`","event":"tick","topic":"room:1","data":{"n":1}},`+
			`{"id":"`+two+`","event":"tick","topic":"room:2","data":2},`+
			`{"id":"`+end+`","event":"tick","topic":"room:1","data":3}],"cursor":"`+end+`","more":false,"user":null}`+"\n")
		again := r.poll(t, "topic=room:1&topic=room:2&cursor=earliest")
		streamtest.Want(t, "body from earliest", again.body, got.body)
	})
	t.Run("LimitLeavesMore", func(t *testing.T) {
		t.Parallel()
		got := r.poll(t, "topic=room:1&topic=room:2&limit=2&cursor="+start)
		streamtest.Want(t, "events, cursor, more", []any{len(got.Events), got.Cursor, got.More}, []any{2, two, true})
		got = r.poll(t, "topic=room:1&topic=room:2&limit=2&cursor="+got.Cursor)
		streamtest.Want(t, "events, cursor, more", []any{len(got.Events), got.Cursor, got.More}, []any{1, end, false})
	})
	t.Run("CursorPassesOtherTopics", func(t *testing.T) {
		t.Parallel()
		got := r.poll(t, "topic=room:2&cursor="+start)
		streamtest.Want(t, "events, cursor", []any{len(got.Events), got.Cursor}, []any{1, end})
		got = r.poll(t, "topic=room:3&wait=0&cursor="+start)
		streamtest.Want(t, "events, cursor", []any{len(got.Events), got.Cursor}, []any{0, end})
	})
	t.Run("TimeoutIsEmptyAndNoLower", func(t *testing.T) {
		t.Parallel()
		for _, wait := range []string{"0", "1"} {
			begun := time.Now()
			got := r.poll(t, "topic=room:3&wait="+wait+"&cursor="+end)
			streamtest.Want(t, "events, cursor, more", []any{len(got.Events), got.Cursor, got.More}, []any{0, end, false})
			if took := time.Since(begun); wait == "1" && took < 800*time.Millisecond {
				t.Errorf("it waited %v", took)
			}
		}
	})
	t.Run("HTTP10Works", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/poll?topic=room:1 HTTP/1.0")
		status, got := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.0 200 OK")
		streamtest.Want(t, "Transfer-Encoding", got.Get("Transfer-Encoding"), "")
	})
}

func TestPollWakes(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollWakes)
}

func pollWakes(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	waiting := r.later(t, "topic=room:1&cursor="+start)
	r.publish(t, "room:2", "tick", `0`)
	r.publish(t, "room:1", "tick", `1`)
	got := <-waiting
	streamtest.Want(t, "status", got.status, 200)
	if len(got.Events) != 1 || string(got.Events[0].Data) != "1" || *got.Events[0].ID != r.head(t) || got.Cursor != r.head(t) {
		t.Errorf("%+v", got)
	}
	// The same cursor gives the same events.
	again := r.poll(t, "topic=room:1&cursor="+start)
	streamtest.Want(t, "cursor", again.Cursor, got.Cursor)
	streamtest.Want(t, "events", len(again.Events), 1)
}

// A poll gets ephemeral events only if they happen while it waits.
func TestPollGetsTyping(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollGetsTyping)
}

func pollGetsTyping(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	waiting := r.later(t, "topic=post:42&cursor="+start)
	r.do(t, "POST", "/v1/posts/42/typing", as(t, "ann"))
	got := <-waiting
	if len(got.Events) != 1 || got.Events[0].ID != nil || got.Events[0].Event != "typing" || got.Cursor != start {
		t.Errorf("%+v", got)
	}
	late := r.poll(t, "topic=post:42&wait=0&cursor="+start)
	streamtest.Want(t, "events afterwards", len(late.Events), 0)
}

func TestPollIsBounded(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollIsBounded)
}

func pollIsBounded(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	const n = 50
	cursor := r.head(t)
	r.exec(t, `select tidings.publish('room:1', 'large', to_jsonb(i || repeat('x', 50000))) from generate_series(1, $1) i`, n)
	end := r.head(t)
	seen := 0
	for more := true; more; {
		got := r.poll(t, "topic=room:1&limit=1000&cursor="+cursor)
		if len(got.body) > 1<<20+1024 || len(got.Events) == 0 || got.More != (got.Cursor != end) {
			t.Fatalf("%d events in %d bytes, more %v, cursor %s of %s", len(got.Events), len(got.body), got.More, got.Cursor, end)
		}
		for _, e := range got.Events {
			if seen++; !strings.HasPrefix(string(e.Data), fmt.Sprintf(`"%dx`, seen)) {
				t.Fatalf("event %d is %.20s", seen, e.Data)
			}
		}
		cursor, more = got.Cursor, got.More
	}
	streamtest.Want(t, "events", seen, n)
}

// An answer is cut only after an event that has a cursor: the events after the cut would
// otherwise be lost.
func TestPollAnswerIsCutOnlyAtACursor(t *testing.T) {
	t.Parallel()

	topic, err := stream.ParseTopic("room:1")
	streamtest.Must(t, err)
	large, err := stream.NewData([]byte(`"` + strings.Repeat("x", mostPollBytes) + `"`))
	streamtest.Must(t, err)
	frame := func(position int64, data stream.Data) *stream.Frame {
		e := stream.Event{Topic: topic, Name: stream.TypingName, Data: data}
		if position > 0 {
			e.Cursor = stream.Cursor{Epoch: 1, Position: position}
		}
		return stream.NewFrame(e)
	}
	small := stream.MustData(1)
	end := stream.Cursor{Epoch: 1, Position: 3}

	for name, c := range map[string]struct {
		frames []*stream.Frame
		events int
		cursor int64
		more   bool
	}{
		"everything fits":                 {[]*stream.Frame{frame(1, small), frame(3, small)}, 2, 3, false},
		"the first alone is too large":    {[]*stream.Frame{frame(1, large), frame(2, small)}, 1, 1, true},
		"an ephemeral event is too large": {[]*stream.Frame{frame(0, large), frame(1, small), frame(2, small)}, 2, 1, true},
	} {
		body, next := eventsBody(stream.PollResult{Frames: c.frames, Cursor: end})
		var got polled
		streamtest.Must(t, json.Unmarshal(append(body, endOfPoll(auth.Identity{})...), &got))
		streamtest.Want(t, name+": events, cursor, more", []any{len(got.Events), got.Cursor, got.More},
			[]any{c.events, stream.Cursor{Epoch: 1, Position: c.cursor}.String(), c.more})
		streamtest.Want(t, name+": the next cursor", next.String(), got.Cursor)
	}
}

func TestPollGap(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollGap)
}

func pollGap(t *testing.T, way func(*setup)) {
	r := newRig(t, way, func(s *setup) { s.hub.RingEvents = 1 })
	start := r.head(t)
	for range 4 {
		r.publish(t, "room:1", "tick", `1`)
	}
	end := r.head(t)
	r.exec(t, `delete from tidings.events where position <= (select max(position) - 1 from tidings.events)`)

	p := r.do(t, "GET", "/v1/poll?topic=room:1&cursor="+start).isProblem(t, 410, "cursor_gone")
	streamtest.Want(t, "reason, from, resumed", []string{string(p.Reason), p.From, p.Resumed}, []string{"expired", start, end})
	p = r.do(t, "GET", "/v1/poll?topic=room:1&cursor=1-999999").isProblem(t, 410, "cursor_gone")
	streamtest.Want(t, "reason, from, resumed", []string{string(p.Reason), p.From, p.Resumed}, []string{"restored", "1-999999", end})
	p = r.do(t, "GET", "/v1/poll?topic=room:1&cursor=9-1").isProblem(t, 410, "cursor_gone")
	streamtest.Want(t, "reason", p.Reason, string(stream.GapRestored))
	streamtest.Want(t, "events from earliest", len(r.poll(t, "topic=room:1&cursor=earliest").Events), 1)
	streamtest.Want(t, "cursor from resumed", r.poll(t, "topic=room:1&wait=0&cursor="+end).Cursor, end)
}
