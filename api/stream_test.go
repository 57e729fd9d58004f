package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestStreamBytes(t *testing.T) {
	t.Parallel()
	inEveryWay(t, streamBytes)
}

func streamBytes(t *testing.T, way func(*setup)) {
	r := newRig(t, way)
	start := r.head(t)
	r.publish(t, "room:1", "tick", `{"n": 1}`)
	end := r.head(t)

	t.Run("ReadyComesFirstAndThenTheReplay", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/events?topic=room:1&cursor=" + start + " HTTP/1.1")
		w.head()
		ready := w.chunk()
		retry, rest, _ := strings.Cut(strings.TrimPrefix(ready, "retry: "), "\n")
		wantRetry(t, retry)
		streamtest.Want(t, "stream.ready", rest, "event: stream.ready\n"+
			`data: {"cursor":"`+start+`","heartbeat":15,"maxAge":600,"user":null}`+"\nid: "+start+"\n\n")
		streamtest.Want(t, "event", w.chunk(), "event: tick\ntopic: room:1\ndata: {\"n\":1}\nid: "+end+"\n\n")
	})
	t.Run("ReadyWaitsForNothing", func(t *testing.T) {
		t.Parallel()
		locked := newRig(t, way, func(s *setup) { s.hub.RingEvents = 1 })
		from := locked.head(t)
		for range 3 {
			locked.publish(t, "room:1", "tick", `{}`)
		}
		locked.head(t)
		conn, err := locked.sql.Acquire(t.Context())
		streamtest.Must(t, err)
		defer conn.Release()
		_, err = conn.Exec(t.Context(), `begin; lock table tidings.floor`) // holds up every read of the log
		streamtest.Must(t, err)
		s := locked.follow(t, "topic=room:1&cursor="+from)
		s.event("stream.ready")
		_, err = conn.Exec(t.Context(), `commit`)
		streamtest.Must(t, err)
		s.event("tick")
	})
	t.Run("EnvelopeHoldsTheTopic", func(t *testing.T) {
		t.Parallel()
		s := r.follow(t, "topic=room:1&envelope=1&cursor="+start)
		s.event("stream.ready")
		tick := s.event("tick")
		streamtest.Want(t, "data", tick.field("data"), `{"topic":"room:1","data":{"n":1}}`)
		streamtest.Want(t, "fields", tick.fields(), "event topic data id")
	})
	t.Run("PaddingIsOneComment", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/events?topic=room:1&padding=1 HTTP/1.1")
		w.head()
		if first := w.chunk(); !strings.HasPrefix(first, ":"+strings.Repeat(" ", 2048)+"\nretry: ") {
			t.Errorf("first chunk is %q", first)
		}
	})
	t.Run("EarliestIsAll", func(t *testing.T) {
		t.Parallel()
		s := r.follow(t, "topic=room:1&cursor=earliest")
		s.event("stream.ready")
		streamtest.Want(t, "id", s.event("tick").field("id"), end)
	})
	t.Run("AGapIsTold", func(t *testing.T) {
		t.Parallel()
		s := r.follow(t, "topic=room:1&cursor=7-1")
		streamtest.Want(t, "id", s.event("stream.ready").field("id"), "7-1")
		gap := s.event("stream.gap")
		streamtest.Want(t, "data", gap.field("data"), `{"reason":"restored","from":"7-1","resumed":"`+end+`"}`)
		streamtest.Want(t, "id", gap.field("id"), end)
	})
}

func wantRetry(t *testing.T, text string) {
	t.Helper()
	if ms, err := strconv.Atoi(text); err != nil || ms < 1000 || ms > 60_000 {
		t.Errorf("retry is %q", text)
	}
}

func TestRetryDiffersPerConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	seen := map[string]bool{}
	for range 8 { // all alike by chance: one in 4000^7
		s := r.follow(t, "topic=room:1")
		retry := s.event("stream.ready").field("retry")
		wantRetry(t, retry)
		seen[retry] = true
		s.leave()
	}
	if len(seen) == 1 {
		t.Errorf("every retry is %v", seen)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	inEveryWay(t, heartbeats)
}

func heartbeats(t *testing.T, way func(*setup)) {
	const interval = 50 * time.Millisecond
	r := newRig(t, way, heartbeat(interval))

	t.Run("IsACommentWithoutABlankLine", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
		w.head()
		w.chunk() // stream.ready
		for range 5 {
			streamtest.Want(t, "chunk", w.chunk(), ":\n")
		}
	})
	t.Run("IsAnEventOnRequest", func(t *testing.T) {
		t.Parallel()
		s := r.follow(t, "topic=room:1&heartbeat=event")
		s.event("stream.ready")
		for range 3 {
			streamtest.Want(t, "ping", s.event("stream.ping"), block{"event: stream.ping", "data: {}"})
		}
		streamtest.Want(t, "comments", s.comments, 0)
	})
	t.Run("StandsBetweenBlocks", func(t *testing.T) {
		t.Parallel()
		s := r.follow(t, "topic=room:beats")
		s.event("stream.ready")
		for i := range 20 {
			r.publish(t, "room:beats", "tick", fmt.Sprintf(`{"n":%d}`, i))
			streamtest.Want(t, "data", s.event("tick").field("data"), fmt.Sprintf(`{"n":%d}`, i))
		}
	})
}

func TestStyleIsStrict(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, query := range []string{"heartbeat=none", "heartbeat=event&heartbeat=event", "envelope=yes", "envelope=", "padding=2", "padding=1&padding=1"} {
		r.do(t, "GET", "/v1/events?topic=room:1&"+query).isProblem(t, 400, "malformed")
	}
	s := r.follow(t, "topic=room:1&heartbeat=comment&envelope=0&padding=false&unknown=parameter")
	s.event("stream.ready")
}

// A cursor on a quiet topic would age into a false gap: it moves with the others.
func TestCheckpointMovesAQuietCursor(t *testing.T) {
	t.Parallel()
	inEveryWay(t, checkpointMovesAQuietCursor)
}

func checkpointMovesAQuietCursor(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	r.publish(t, "room:busy", "tick", `{}`)
	head := r.head(t)
	s := r.follow(t, "topic=room:quiet&cursor="+start)
	streamtest.Want(t, "id of stream.ready", s.event("stream.ready").field("id"), start)
	checkpoint := s.event("stream.checkpoint") // soon after the replay of nothing
	streamtest.Want(t, "data", checkpoint.field("data"), `{"cursor":"`+head+`"}`)
	streamtest.Want(t, "fields", checkpoint.fields(), "event data id")
	streamtest.Want(t, "id", checkpoint.field("id"), head)
	if head == start {
		t.Errorf("the head is still %s", start)
	}
}

// Many topics on one stream come in the one order of the log, each event once.
func TestStreamHasOneOrder(t *testing.T) {
	t.Parallel()
	inEveryWay(t, streamHasOneOrder)
}

func streamHasOneOrder(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	const n = 700 // more than a chunk
	start := r.head(t)
	r.exec(t, `select tidings.publish('room:' || i % 3, 'tick', to_jsonb(i)) from generate_series(1, 200) i`)
	s := r.follow(t, "topic=room:0&topic=room:1&topic=room:2&topic=room:0&cursor="+start)
	s.event("stream.ready")
	r.exec(t, `select tidings.publish('room:' || i % 3, 'tick', to_jsonb(i)) from generate_series(201, $1) i`, n)
	for i := 1; i <= n; i++ {
		tick := s.event("tick")
		streamtest.Want(t, "data", tick.field("data"), strconv.Itoa(i))
		streamtest.Want(t, "topic", tick.field("topic"), fmt.Sprintf("room:%d", i%3))
	}
}

// What is written at once is bounded, so that a slow reader who reads is not cut.
func TestLargeEventsComeInParts(t *testing.T) {
	t.Parallel()
	inEveryWay(t, largeEventsComeInParts)
}

func largeEventsComeInParts(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	r.exec(t, `select tidings.publish('room:1', 'large', to_jsonb(repeat('x', 50000))) from generate_series(1, 20)`)
	w := r.dial(t)
	w.ask("GET /v1/events?topic=room:1&cursor=" + start + " HTTP/1.1")
	w.head()
	w.chunk()
	for events := 0; events < 20; {
		chunk := w.chunk()
		events += strings.Count(chunk, "event: large\n")
		if len(chunk) > 32<<10+60<<10 || !strings.HasSuffix(chunk, "\n\n") {
			t.Errorf("a chunk of %d bytes ends with %q", len(chunk), chunk[len(chunk)-2:])
		}
	}
}

// A payload cannot break out of its event.
func TestStreamInjection(t *testing.T) {
	t.Parallel()
	inEveryWay(t, streamInjection)
}

func streamInjection(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	s := r.follow(t, "topic=room:1")
	s.event("stream.ready")
	for _, payload := range []string{
		"\n\nevent: stream.bye\ndata: x\n\n", "\r", "\r\n", "a\n", "", "\u2028\u2029\u0085\v\f\ufeff", `"}` + "\nid: 9-9",
	} {
		text, err := json.Marshal(payload)
		streamtest.Must(t, err)
		r.do(t, "POST", "/v1/publish", as(t, "bot", auth.RoleService), sends(`{"topic":"room:1","event":"tick","data":`+string(text)+`}`))
		tick := s.event("tick")
		streamtest.Want(t, "fields", tick.fields(), "event topic data id")
		var got string
		streamtest.Must(t, json.Unmarshal([]byte(tick.field("data")), &got))
		streamtest.Want(t, "payload", got, payload)
	}
	lines := bufio.NewScanner(strings.NewReader(r.logs.String()))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: ") {
			t.Errorf("log has %q", lines.Text())
		}
	}
}
