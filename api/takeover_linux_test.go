package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A stream or a poll that waits has a connection and no goroutine.
func TestReadersCostNoGoroutine(t *testing.T) {
	r := newRig(t) // not parallel: it looks at the goroutines of the process
	head := r.head(t)
	before := served()

	const each = 100
	var all []*wire
	for i := range 2 * each {
		w := r.dial(t)
		if i%2 == 0 {
			w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
			w.head()
			w.chunk()
		} else {
			w.ask("GET /v1/poll?topic=room:1&cursor=" + head + " HTTP/1.1")
		}
		all = append(all, w)
	}
	r.reading(t, each)
	r.waiting(t, each)
	streamtest.Eventually(t, "net/http serves none of the readers", func() bool { return r.busy.Load() == 0 && served() <= before })
	for _, w := range all {
		w.Close()
	}
	r.idle(t)
}

// served is how many connections have a goroutine of net/http.
func served() int {
	stacks := make([]byte, 8<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("net/http.(*conn).serve("))
}

// One connection serves poll after poll, and a stream after that.
func TestConnectionsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, maxAge(200*time.Millisecond))

	w := r.dial(t)
	cursor := r.head(t)
	for i := range 3 {
		w.ask("GET /v1/poll?topic=room:1&cursor=" + cursor + " HTTP/1.1")
		r.waiting(t, 1)
		r.publish(t, "room:1", "tick", strconv.Itoa(i))
		status, head := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.1 200 OK")
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Origin", "Connection": "",
		} {
			streamtest.Want(t, name, head.Get(name), value)
		}
		if _, err := time.Parse(time.RFC1123, head.Get("Date")); err != nil || head.Get("X-Request-Id") == "" {
			t.Errorf("Date is %q, X-Request-Id %q", head.Get("Date"), head.Get("X-Request-Id"))
		}
		size, err := strconv.Atoi(head.Get("Content-Length"))
		streamtest.Must(t, err)
		body := make([]byte, size)
		_, err = io.ReadFull(w.r, body)
		streamtest.Must(t, err)
		cursor = head.Get("Next-Cursor")
		streamtest.Want(t, "body", string(body), fmt.Sprintf(`{"events":[{"id":"%s","event":"tick","topic":"room:1","data":%d}],"cursor":"%s","more":false,"user":null}`+"\n", cursor, i, cursor))
	}
	w.ask("GET /v1/events?topic=room:1 HTTP/1.1")
	w.head()
	for chunk := w.chunk(); chunk != ""; chunk = w.chunk() {
	}
	w.ask("GET /healthz HTTP/1.1", "Connection: close")
	if status, _ := w.head(); status != "HTTP/1.1 200 OK" {
		t.Errorf("the next request has %q", status)
	}
	r.idle(t)
}

// A client that asks to close, or that sends the next request before the answer, gets
// Connection: close.
func TestConnectionsThatDoNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	cursor := r.head(t)
	poll := "GET /v1/poll?topic=room:1&cursor=" + cursor + " HTTP/1."
	for name, ask := range map[string]func(w *wire){
		"Close":     func(w *wire) { w.ask(poll+"1", "Connection: close") },
		"HTTP10":    func(w *wire) { w.ask(poll + "0") },
		"Pipelined": func(w *wire) { io.WriteString(w, poll+"1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") },
	} {
		w := r.dial(t)
		ask(w)
		r.waiting(t, 1)
		r.publish(t, "room:1", "tick", `1`)
		status, head := w.head()
		if !strings.HasSuffix(status, "200 OK") || !strings.EqualFold(head.Get("Connection"), "close") {
			t.Errorf("%s: %q, Connection: %s", name, status, head.Get("Connection"))
		}
		if body, err := io.ReadAll(w.r); err != nil || !strings.HasPrefix(string(body), `{"events":[{`) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		cursor = head.Get("Next-Cursor")
		poll = "GET /v1/poll?topic=room:1&cursor=" + cursor + " HTTP/1."
	}
	r.idle(t)
}

// A poll with a request body waits in a goroutine.
func TestPollWithABody(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	w := r.dial(t)
	w.ask("GET /v1/poll?topic=room:1&cursor="+r.head(t)+" HTTP/1.1", "Content-Length: 2")
	io.WriteString(w, "{}")
	r.waiting(t, 1)
	r.publish(t, "room:1", "tick", `1`)
	if status, _ := w.head(); status != "HTTP/1.1 200 OK" {
		t.Errorf("status line is %q", status)
	}
}

// The server notices that a client with a request body leaves, on both transports.
func TestReaderWithABodyThatLeaves(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, path := range []string{"/v1/poll?topic=room:1&cursor=" + r.head(t), "/v1/events?topic=room:1"} {
		whole := r.dial(t)
		whole.ask("GET "+path+" HTTP/1.1", "Content-Length: 2")
		io.WriteString(whole, "{}")
		streamtest.Eventually(t, "the reader has a slot", func() bool { return r.limits.Taken() == 1 })
		streamtest.Must(t, whole.Close())
		r.idle(t)

		promised := r.dial(t)
		promised.ask("GET "+path+" HTTP/1.1", "Content-Length: 5", "Expect: 100-continue")
		streamtest.Must(t, promised.Close())
		r.idle(t)
		streamtest.Want(t, "the number of slots taken", r.limits.Taken(), 0)
	}
	large := strings.Repeat("x", maxReaderBody+1)
	r.do(t, "GET", "/v1/poll?topic=room:1", sends(large)).isProblem(t, 400, "malformed")
	streamtest.Want(t, "status", r.do(t, "GET", "/v1/poll?topic=room:1", sends(large[1:])).status, 200)
}

// TLS connections are taken over too if Serve does the TLS. A listener that does TLS
// below Serve is served, with a goroutine for each reader, and a warning says so.
func TestServe_TakesOverTLS(t *testing.T) {
	t.Parallel()
	http1 := func(p *http.Protocols) { p.SetHTTP1(true) }
	const warning = "each reader costs a goroutine"

	t.Run("OfItsOwn", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, speaking(t, true, http1))
		r.follow(t, "topic=room:1").event("stream.ready")
		streamtest.Eventually(t, "the handler has returned", func() bool { return r.busy.Load() == 0 })
		r.reading(t, 1)
		streamtest.Want(t, "a warning is logged", strings.Contains(r.logs.String(), warning), false)
	})
	t.Run("AndWarnsOfAnother", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, speaking(t, true, http1), func(s *setup) { s.below, s.tls = s.tls, nil })
		r.follow(t, "topic=room:1").event("stream.ready")
		streamtest.Want(t, "number of handlers that stream", r.busy.Load(), int64(1))
		streamtest.Want(t, "number of warnings", strings.Count(r.logs.String(), warning), 1)
	})
}
