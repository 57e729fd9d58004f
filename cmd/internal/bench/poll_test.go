package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// answerOf returns an answer with a body.
func answerOf(fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s", fields, len(body), body)
}

// exchange feeds each answer, in pieces of any size, and returns the first lines of the
// requests and the fields and bodies that a test looks for.
func exchange(t *testing.T, p poller, answers ...string) (requests []string) {
	t.Helper()
	f := &pollFeeder{poller: p}
	requests = append(requests, string(p.request()))
	for _, text := range answers {
		for i := range len(text) {
			reply, err := f.feed([]byte(text[i : i+1]))
			streamtest.Must(t, err)
			streamtest.Want(t, "a request follows", len(reply) > 0, i == len(text)-1)
			requests = append(requests, string(reply))
		}
		requests = append(requests[:len(requests)-len(text)], requests[len(requests)-1])
	}
	return requests
}

// wantRequests compares parts of the requests.
func wantRequests(t *testing.T, requests []string, parts ...string) {
	t.Helper()
	streamtest.Want(t, "number of requests", len(requests), len(parts))
	for i, part := range parts {
		if !strings.Contains(requests[i], part) {
			t.Errorf("request %d has no %q: %q", i, part, requests[i])
		}
	}
}

func TestPollers_CountEventsAndContinue(t *testing.T) {
	t.Parallel()
	d, err := newDialer("http://127.0.0.1:1/base")
	streamtest.Must(t, err)
	event := func(n int) string { return `{"text":"` + mark{n, 1000}.String() + `"}` }

	t.Run("Tidings", func(t *testing.T) {
		t.Parallel()
		r := listening()
		r.topic, r.token = "post:a", "secret"
		page := `{"events":[{"id":"1-5","event":"bench.message","topic":"post:a","data":` + event(0) + `},
			{"event":"presence","topic":"post:a","data":{}},
			{"id":"1-6","event":"other","topic":"post:a","data":` + event(1) + `}],"cursor":"1-9","more":false,"user":null}`
		requests := exchange(t, newTidingsPoll(r, d), answerOf("", `{"events":[],"cursor":"1-4"}`), answerOf("", page))
		wantRequests(t, requests, "GET /base/v1/poll?limit=1000&cursor=now&topic=post%3Aa HTTP/1.1\r\n", "cursor=1-4", "cursor=1-9&")
		wantRequests(t, requests[:1], "\r\nAuthorization: Bearer secret\r\n")
		streamtest.Want(t, "times ready", r.pool.becameLive.Load(), 1)
		streamtest.Want(t, "latencies", r.tally.finish([]int{0}, 1).latency, []time.Duration{2000})
	})
	t.Run("Nchan", func(t *testing.T) {
		t.Parallel()
		r := listening()
		at := func(second, n int) string {
			return fmt.Sprintf("Last-Modified: Sat, 28 Nov 2026 00:00:%02d GMT\r\nEtag: %d\r\n", second, n)
		}
		requests := exchange(t, nchanPoll{r, d, "/sub?id=1"}, answerOf(at(1, 1), event(0)), answerOf(at(2, 0), event(1)))
		wantRequests(t, requests, "GET /base/sub?id=1 HTTP/1.1\r\n",
			"If-Modified-Since: Sat, 28 Nov 2026 00:00:01 GMT\r\nIf-None-Match: 1\r\n",
			"If-Modified-Since: Sat, 28 Nov 2026 00:00:02 GMT\r\nIf-None-Match: 0\r\n")
		streamtest.Want(t, "faults", r.tally.finish([]int{0, 1}, 2).faults, Faults{})
	})
	t.Run("Socket.IO", func(t *testing.T) {
		t.Parallel()
		r := listening()
		p := &socketPoll{socketPackets: socketPackets{reader: r}, dialer: d, path: "/socket.io/?EIO=4"}
		packet := func(n int) string { return `42["bench.message",` + event(n) + `]` }
		requests := exchange(t, p, answerOf("", `0{"sid":"a b"}`), answerOf("", "ok"), answerOf("", `40{"sid":"c"}`),
			answerOf("", packet(0)+"\x1e2\x1e"+packet(1)), answerOf("", "ok"))
		wantRequests(t, requests, "GET /base/socket.io/?EIO=4 HTTP", "POST /base/socket.io/?EIO=4&sid=a+b HTTP", "GET /base/socket.io/?EIO=4&sid=a+b HTTP",
			"GET ", "\r\nContent-Length: 1\r\n\r\n3", "GET ")
		streamtest.Want(t, "times ready", r.pool.becameLive.Load(), 1)
		streamtest.Want(t, "faults", r.tally.finish([]int{0, 1}, 2).faults, Faults{})
	})
}

func TestPollFeeder_EndsWithTheConnection(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		answerOf("Connection: close\r\n", `{"cursor":"1-1"}`):            errEnded,
		answerOf("", `{"cursor":"1-1"}`) + "H":                           errAnswer,
		"HTTP/1.1 200 OK\r\n\r\n":                                        errAnswer,
		"HTTP/1.1\r\n\r\n":                                               errAnswer,
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":                   errAnswer,
		"HTTP/1.1 503 \r\nContent-Length: 15\r\n\r\n{\"code\":\"full\"}": nil,
	} {
		f := &pollFeeder{poller: newTidingsPoll(listening(), &dialer{})}
		_, err := f.feed([]byte(text))
		if err == nil || want != nil && !errors.Is(err, want) || want == nil && !strings.Contains(err.Error(), "503 Service Unavailable full") {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
