package api

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	inEveryWay(t, streamEnds)
}

func streamEnds(t *testing.T, way func(*setup)) {
	t.Run("ByAgeWithALastChunk", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way, maxAge(300*time.Millisecond))
		w := r.dial(t)
		w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
		w.head()
		w.chunk()
		retry, rest, _ := strings.Cut(strings.TrimPrefix(w.chunk(), "retry: "), "\n")
		wantRetry(t, retry)
		streamtest.Want(t, "stream.bye", rest, "event: stream.bye\ndata: {\"reason\":\"age\"}\nid: "+r.head(t)+"\n\n")
		streamtest.Want(t, "last chunk", w.chunk(), "")
		w.ask("GET /healthz HTTP/1.1") // the connection is as good as before
		if status, _ := w.head(); status != "HTTP/1.1 200 OK" {
			t.Errorf("the next request has %q", status)
		}
		r.idle(t)
	})
	t.Run("WithItsToken", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way)
		expires := time.Now().Add(2 * time.Second).Truncate(time.Second) // exp has whole seconds
		s := r.follow(t, "topic=me", header("Authorization", "Bearer "+tokenUntil(t, expires, "ann")))
		s.event("stream.ready")
		s.event("stream.expiring") // at once: the token is short
		streamtest.Want(t, "data", s.event("stream.bye").field("data"), `{"reason":"expired"}`)
		s.ends()
		if early := time.Until(expires); early > 0 {
			t.Errorf("the stream ended %v before its token", early)
		}
	})
	t.Run("WithTheServer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way)
		s := r.follow(t, "topic=room:1")
		s.event("stream.ready")
		r.Drain()
		r.hub.Close()
		bye := s.event("stream.bye")
		streamtest.Want(t, "data", bye.field("data"), `{"reason":"shutdown"}`)
		wantRetry(t, bye.field("retry"))
		s.ends()
		r.do(t, "GET", "/v1/events?topic=room:1").isProblem(t, 503, "unavailable")
		r.do(t, "GET", "/readyz").isProblem(t, 503, "unavailable")
	})
	t.Run("IsAnnounced", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, way)
		s := r.follow(t, "topic=me", header("Authorization", "Bearer "+tokenUntil(t, time.Now().Add(34*time.Second), "ann")))
		s.event("stream.ready")
		expiring := s.event("stream.expiring")
		var data struct{ Seconds int }
		streamtest.Must(t, json.Unmarshal([]byte(expiring.field("data")), &data))
		if data.Seconds < 1 || data.Seconds > 30 {
			t.Errorf("the event announces the end in %d seconds", data.Seconds)
		}
		streamtest.Want(t, "fields", expiring.fields(), "event data id")
	})
}

// Events that wait for a slow reader are not sent after the token has ended.
func TestNothingIsWrittenPastTheToken(t *testing.T) {
	t.Parallel()
	inEveryWay(t, nothingIsWrittenPastTheToken)
}

func nothingIsWrittenPastTheToken(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	r.exec(t, `select tidings.publish('user:ann', 'large', to_jsonb(repeat('x', 50000))) from generate_series(1, 100)`)
	head := r.head(t)
	expires := time.Now().Add(2 * time.Second).Truncate(time.Second)
	w := r.dial(t)
	streamtest.Must(t, w.SetReadBuffer(32<<10))
	w.ask("GET /v1/events?topic=me&cursor="+start+" HTTP/1.1", "Connection: close", "Authorization: Bearer "+tokenUntil(t, expires, "ann"))
	w.head()
	streamtest.Eventually(t, "the token has ended", func() bool { return time.Since(expires) > 50*time.Millisecond })
	rest, err := io.ReadAll(w.r)
	streamtest.Must(t, err)
	if strings.Contains(string(rest), "id: "+head+"\n") || !strings.Contains(string(rest), `{"reason":"expired"}`) {
		t.Errorf("after the end of the token, the reader got %d bytes, the last of them %q", len(rest), rest[len(rest)-200:])
	}
}
