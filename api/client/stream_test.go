package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

const ready = "retry: 3127\nevent: stream.ready\ndata: {\"cursor\":\"1-5\",\"heartbeat\":15,\"maxAge\":600}\nid: 1-5\n\n"

func TestStreamRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cursor string
		opts         []StreamOption
		query        string
		lastEventID  []string
	}{
		{"FromNow", "", nil, "topic=post%3A42&topic=me", nil},
		{"FromACursor", "1-7", nil, "cursor=1-7&topic=post%3A42&topic=me", nil},
		{"CursorInTheHeader", "1-7", []StreamOption{WithLastEventID()}, "topic=post%3A42&topic=me", []string{"1-7"}},
		{"NowHasNoHeader", "", []StreamOption{WithLastEventID()}, "topic=post%3A42&topic=me", nil},
		{"MoreParameters", "", []StreamOption{WithParam("heartbeat", "event"), WithParam("envelope", "1")},
			"envelope=1&heartbeat=event&topic=post%3A42&topic=me", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/events" || r.URL.RawQuery != tt.query {
					t.Errorf("got %s, want %s", r.RequestURI, tt.query)
				}
				if got := r.Header["Last-Event-Id"]; len(got) != len(tt.lastEventID) || (len(got) > 0 && got[0] != tt.lastEventID[0]) {
					t.Errorf("got Last-Event-ID %q", got)
				}
				if got := r.Header.Get("Accept") + " " + r.Header.Get("Accept-Encoding") + " " + r.Header.Get("Authorization"); got != "text/event-stream, application/problem+json identity Bearer t" {
					t.Errorf("got %q", got)
				}
				stream(w, ready)
			}, WithToken("t"))
			s, err := c.Stream(t.Context(), []string{"post:42", "me"}, tt.cursor, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if s.Cursor() != tt.cursor {
				t.Errorf("got cursor %q before the first event", s.Cursor())
			}
			closeStream(t, s)
		})
	}
}

func closeStream(t *testing.T, s *Stream) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// open opens a stream. It is closed when the test ends.
func open(t *testing.T, c *Client, opts ...StreamOption) *Stream {
	t.Helper()
	s, err := c.Stream(t.Context(), []string{"post:42"}, "", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// want reads an event and wants it to have the id.
func want(t *testing.T, s *Stream, id string) {
	t.Helper()
	if ev, err := s.Next(); err != nil || ev.ID != id {
		t.Fatalf("got %+v, %v, want id %s", ev, err, id)
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rest func(http.ResponseWriter)
		err  error
		bare bool // the error must be err itself, not wrapped
	}{
		{"Cleanly", func(w http.ResponseWriter) {}, io.EOF, true},
		{"CleanlyAfterAHeartbeat", func(w http.ResponseWriter) { say(w, ":\n") }, io.EOF, true},
		{"CutBetweenEvents", func(w http.ResponseWriter) { cutOff() }, io.ErrUnexpectedEOF, false},
		{"CutInAnEvent", func(w http.ResponseWriter) { say(w, "data: {}\nid: 1-6\n"); cutOff() }, io.ErrUnexpectedEOF, false},
		{"EndedInAnEvent", func(w http.ResponseWriter) { say(w, "data: {}\nid: 1-6\n") }, io.ErrUnexpectedEOF, false},
		{"TooLarge", func(w http.ResponseWriter) { say(w, "data: "+string(make([]byte, 200))+"\n\n") }, ErrBlockTooLarge, false},
	}
	for _, tt := range tests {
		for protocol, serve := range map[string]func(*testing.T, http.HandlerFunc, ...Option) *Client{
			"HTTP1": serve, "HTTP2": serveHTTP2,
		} {
			t.Run(tt.name+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				s := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
					stream(w, ready)
					tt.rest(w)
				}), WithMaxBlock(150))
				want(t, s, "1-5")
				wantEnd(t, s, tt.err, tt.bare)
			})
		}
	}
}

// wantEnd reads a stream.ready and then wants the error.
func wantEnd(t *testing.T, s *Stream, want error, bare bool) {
	t.Helper()
	for range 2 {
		_, err := s.Next()
		if !errors.Is(err, want) || (err == want) != bare {
			t.Errorf("got %v", err)
		}
	}
	if s.Cursor() != "1-5" || s.Retry() != 3127*time.Millisecond {
		t.Errorf("got cursor %s, retry %v", s.Cursor(), s.Retry())
	}
}

func TestStreamReset(t *testing.T) {
	t.Parallel()
	s := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, ready)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // Close now sends a TCP reset
		_ = conn.Close()
	}))
	var err error
	for err == nil { // the reset may arrive before the first event is read
		_, err = s.Next()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestStreamProblemIsReturned(t *testing.T) {
	t.Parallel()
	for _, status := range []int{204, 401, 503} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		_, err := c.Stream(t.Context(), []string{"me"}, "")
		var p *Problem
		if !errors.As(err, &p) || p.Status != status {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestStreamOfAnotherMediaType(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "text/html", "<html>") })
	if _, err := c.Stream(t.Context(), []string{"me"}, ""); !errors.Is(err, ErrNotStream) {
		t.Errorf("got %v", err)
	}
}

// quiet sends one event and then nothing until the client disconnects.
func quiet(w http.ResponseWriter, r *http.Request) {
	stream(w, ready)
	<-r.Context().Done()
}

func TestCloseEndsAWaitingNext(t *testing.T) {
	t.Parallel()
	s := open(t, serve(t, quiet))
	want(t, s, "1-5")
	ended := make(chan error)
	go func() {
		_, err := s.Next()
		ended <- err
	}()
	closeStream(t, s)
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	closeStream(t, s)
}

func TestContextEndsAStream(t *testing.T) {
	t.Parallel()
	c := serve(t, quiet)
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := c.Stream(ctx, []string{"me"}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want(t, s, "1-5")
	cancel(errors.New("a reason of its own"))
	if _, err := s.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSilenceLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		handle http.HandlerFunc
		after  time.Duration
	}{
		{"BeforeTheHead", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 10 * time.Second},
		{"AfterAnEvent", quiet, 10 * time.Second},
		{"HeartbeatsHoldItOff", func(w http.ResponseWriter, r *http.Request) {
			stream(w, ready)
			for range 5 {
				<-time.After(9 * time.Second)
				say(w, ":\n")
			}
			<-r.Context().Done()
		}, 55 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, stop := servePiped(t, tt.handle)
				defer stop()
				began := time.Now()
				err := readAll(t.Context(), c, WithSilenceLimit(10*time.Second))
				if took := time.Since(began); !errors.Is(err, ErrSilent) || took != tt.after {
					t.Errorf("got %v after %v", err, took)
				}
			})
		})
	}
}

// readAll opens a stream and reads all of its events.
func readAll(ctx context.Context, c *Client, opts ...StreamOption) error {
	s, err := c.Stream(ctx, []string{"me"}, "", opts...)
	if err != nil {
		return err
	}
	defer s.Close()
	for err == nil {
		_, err = s.Next()
	}
	return err
}

func TestSilenceDoesNotCountTimeBetweenReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, stop := servePiped(t, func(w http.ResponseWriter, r *http.Request) { stream(w, ready+ready) })
		defer stop()
		s, err := c.Stream(t.Context(), []string{"me"}, "", WithSilenceLimit(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 2 {
			<-time.After(time.Hour)
			want(t, s, "1-5")
		}
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("got %v", err)
		}
	})
}

func TestSilenceLimitFollowsTheHeartbeat(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]time.Duration{
		`{"heartbeat":15}`: 35 * time.Second, `{"heartbeat":0.5}`: 6 * time.Second,
		`{"heartbeat":0}`: 0, `{}`: 0, `{"heartbeat":"15s"}`: 0, `{"heartbeat":-1}`: 0, `{"heartbeat":1e300}`: 0, `x`: 0,
	} {
		if got := silenceLimit([]byte(data)); got != want {
			t.Errorf("%s: got %v, want %v", data, got, want)
		}
	}
}
