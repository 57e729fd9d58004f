package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// foreignLines returns the lines of the log about origins that are not allowed.
func (l *logs) foreignLines() []string {
	var found []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, foreignMessage) {
			found = append(found, line)
		}
	}
	return found
}

// A page of an origin that is not allowed is named in the log, also if the browser asks first
// and never sends the request itself.
func TestForeignOrigins_AreLogged(t *testing.T) {
	t.Parallel()
	for name, method := range map[string]string{"Requests": "GET", "Preflights": "OPTIONS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for range 3 {
				r.do(t, method, "/v1/posts/a/comments", origin("https://blog.example"))
			}
			r.do(t, method, "/v1/posts/a/comments", origin(page))
			r.do(t, method, "/v1/posts/a/comments", origin("http://"+r.addr))
			r.do(t, method, "/v1/posts/a/comments", origin("https://other.example/"+strings.Repeat("a", 9000)))
			lines := r.logs.foreignLines()
			if len(lines) != 2 {
				t.Fatalf("the lines are %q, want 2", lines)
			}
			if !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "origin=https://blog.example\n") {
				t.Errorf("the line is %q", lines[0])
			}
			if len(lines[1]) > 800 {
				t.Errorf("the line of a long origin has %d bytes", len(lines[1]))
			}
		})
	}
}

// Each origin is named once a minute, and any number of origins adds a bounded number of lines.
func TestForeignOrigins_AreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		written := &logs{}
		log := newForeignLog(written.logger())
		note := func(origin string) int {
			before := len(written.foreignLines())
			log.note(t.Context(), origin)
			return len(written.foreignLines()) - before
		}
		streamtest.Want(t, "lines at first", note("https://a.example"), 1)
		streamtest.Want(t, "lines of another", note("https://b.example"), 1)
		<-time.After(59 * time.Second)
		streamtest.Want(t, "lines within the minute", note("https://a.example"), 0)
		<-time.After(2 * time.Second)
		streamtest.Want(t, "lines after the minute", note("https://a.example"), 1)
		sum := 0
		for i := range 10_000 {
			sum += note(fmt.Sprintf("https://%d.example", i))
		}
		streamtest.Want(t, "lines of many origins", sum, maxForeignNames-1)
	})
}

// What the client reads of answers across origins is exposed to pages, on every kind of answer.
func TestExposedHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, got := range map[string]answer{
		"a list": r.do(t, "GET", "/v1/posts/a/comments", origin(page)), "a poll": r.do(t, "GET", "/v1/poll?topic=post:a&wait=0", origin(page)),
		"a stream":  r.do(t, "GET", "/v1/events?topic=post:a", origin(page)),
		"a comment": r.do(t, "POST", "/v1/posts/a/comments", as(t, "ann"), sends(`{"body":"Hello"}`), origin(page)),
		"a problem": r.do(t, "GET", "/v1/notifications", origin(page)), "counts": r.do(t, "GET", "/v1/counts?post=a", origin(page)),
	} {
		exposed := strings.Split(got.header.Get("Access-Control-Expose-Headers"), ", ")
		for _, field := range []string{"Retry-After", "Next-Cursor", "ETag", "Location"} {
			streamtest.Want(t, field+" is exposed by "+name, slices.Contains(exposed, field), true)
		}
	}
}
