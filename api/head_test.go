package api

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestStreamHead(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	t.Run("IsExact", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/events?topic=post:42 HTTP/1.1", "Accept: text/event-stream", "Accept-Encoding: gzip, br")
		status, got := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.1 200 OK")
		for _, name := range []string{"Date", "X-Request-Id"} { // different each time
			if got.Get(name) == "" {
				t.Errorf("%s is missing", name)
			}
			got.Del(name)
		}
		streamtest.Want(t, "header", http.Header(got), http.Header{
			"Content-Type":           {"text/event-stream"},
			"Cache-Control":          {"no-store, no-transform"},
			"X-Accel-Buffering":      {"no"},
			"X-Content-Type-Options": {"nosniff"},
			"Vary":                   {"Origin"},
			"X-Frame-Options":        {"DENY"},

			"Cross-Origin-Resource-Policy": {"same-origin"},
			"Transfer-Encoding":            {"chunked"},
		})
	})
	t.Run("HEADReturnsAtOnce", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("HEAD /v1/events?topic=post:42 HTTP/1.1", "Connection: close")
		status, got := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.1 200 OK")
		streamtest.Want(t, "Content-Type", got.Get("Content-Type"), "text/event-stream")
		streamtest.Want(t, "X-Accel-Buffering", got.Get("X-Accel-Buffering"), "no")
		w.closed()
	})
	t.Run("HTTP10IsClosedAtTheEnd", func(t *testing.T) {
		t.Parallel()
		short := newRig(t, maxAge(200*time.Millisecond))
		w := short.dial(t)
		w.ask("GET /v1/events?topic=post:42 HTTP/1.0")
		status, got := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.0 200 OK")
		if got.Get("Transfer-Encoding")+got.Get("Content-Length") != "" {
			t.Errorf("the body is framed: %v", got)
		}
		body, err := io.ReadAll(w.r)
		streamtest.Must(t, err)
		if !regexp.MustCompile(`(?s)^retry: \d+\nevent: stream\.ready\n.*\n\n.*event: stream\.bye\n[^\x00]*\n\n$`).Match(body) {
			t.Errorf("body is %q", body)
		}
	})
	t.Run("PreflightIs204", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "OPTIONS", "/v1/events", header("Origin", page), header("Access-Control-Request-Method", "GET"))
		streamtest.Want(t, "status", got.status, http.StatusNoContent)
		streamtest.Want(t, "body", got.body, "")
	})
	t.Run("OtherMethodsAre405", func(t *testing.T) {
		t.Parallel()
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "BREW"} {
			got := r.do(t, method, "/v1/events?topic=post:42")
			got.isProblem(t, http.StatusMethodNotAllowed, "method_not_allowed")
			for _, allowed := range []string{"GET", "HEAD", "OPTIONS"} {
				if !strings.Contains(got.header.Get("Allow"), allowed) {
					t.Errorf("Allow is %q", got.header.Get("Allow"))
				}
			}
		}
	})
}

func TestAccept(t *testing.T) {
	t.Parallel()

	for accept, accepted := range map[string]bool{
		"":                                    true,
		" ":                                   true,
		"text/event-stream":                   true,
		"TEXT/Event-Stream":                   true,
		"text/*":                              true,
		"*/*":                                 true,
		"application/json":                    false,
		"text/html":                           false,
		"text/html, */*;q=0.1":                true,
		"text/event-stream;q=0":               false,
		"text/event-stream; Q=0.000":          false,
		"text/event-stream;q=0, */*":          false,
		"*/*;q=0, text/event-stream":          true,
		"text/*;q=0, */*":                     false,
		"text/event-stream;q=0.05":            true,
		"text/event-stream;charset=utf-8;q=0": false,
		"text/event-streams":                  false,
		",,":                                  false,
		"*":                                   false,
	} {
		r := &http.Request{Header: http.Header{"Accept": {accept}}}
		if got := acceptsEventStream(r); got != accepted {
			t.Errorf("%q is accepted: %v, want %v", accept, got, accepted)
		}
	}
	if !acceptsEventStream(&http.Request{}) {
		t.Error("no Accept is not accepted")
	}
	if !acceptsEventStream(&http.Request{Header: http.Header{"Accept": {"text/html", "text/event-stream"}}}) {
		t.Error("a second field is not read")
	}
	r := newRig(t)
	r.do(t, "GET", "/v1/events?topic=post:42", header("Accept", "application/json")).
		isProblem(t, http.StatusNotAcceptable, "not_acceptable")
}

func TestServerSetsLimitsOfHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	t.Run("LongHeaderIs431", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("GET /v1/events?topic=post:42 HTTP/1.1", "Last-Event-ID: "+strings.Repeat("1", 20<<10))
		if status, _ := w.head(); !strings.HasPrefix(status, "HTTP/1.1 431 ") {
			t.Errorf("status line is %q", status)
		}
	})
	t.Run("OnlyAFailedAcceptIsAWarning", func(t *testing.T) {
		t.Parallel()
		var said logs
		srv := (&Server{logger: said.logger()}).newHTTPServer()
		srv.ErrorLog.Print("http: Accept error: accept4: too many open files; retrying in 5ms")
		srv.ErrorLog.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
		if got := strings.Count(said.String(), "WARN"); got != 1 || !strings.Contains(said.String(), "too many open files") {
			t.Errorf("%d warnings in %s", got, said.String())
		}
	})
	t.Run("TimeoutsAreSet", func(t *testing.T) {
		t.Parallel()
		srv := r.Server.http
		if srv.ReadTimeout <= 0 || srv.ReadHeaderTimeout <= 0 || srv.IdleTimeout <= 0 || srv.WriteTimeout != 0 {
			t.Errorf("%v to read, %v to read the header, %v idle, %v to write", srv.ReadTimeout, srv.ReadHeaderTimeout, srv.IdleTimeout, srv.WriteTimeout)
		}
	})
}

// ReadTimeout ends a request whose body does not arrive, and does not end streams.
func TestReadTimeout(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	r := newRig(t, heartbeat(limit/5), func(s *setup) { s.http = func(srv *http.Server) { srv.ReadTimeout = limit } })

	t.Run("CutsABodyThatNeverComes", func(t *testing.T) {
		for _, request := range []string{"POST /v1/publish", "POST /v1/nothing", "GET /v1/poll?topic=post:42&wait=0"} {
			w := r.dial(t)
			w.ask(request+" HTTP/1.1", "Content-Type: application/json", "Content-Length: 10", "Authorization: Bearer "+token(t, "bot", auth.RoleService))
			w.head()
			_, err := io.Copy(io.Discard, w.r)
			streamtest.Must(t, err)
		}
		r.idle(t)
	})
	t.Run("CutsNoStream", func(t *testing.T) {
		s := r.follow(t, "topic=post:42")
		s.event("stream.ready")
		for range 10 { // twice the limit
			line, err := s.r.ReadString('\n')
			streamtest.Must(t, err)
			streamtest.Want(t, "line", line, ":\n")
		}
	})
}

func maxAge(d time.Duration) func(*setup)    { return func(s *setup) { s.api.MaxAge = d } }
func heartbeat(d time.Duration) func(*setup) { return func(s *setup) { s.api.Heartbeat = d } }
