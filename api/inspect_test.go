package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// inspected returns the answer of the inspector. It asks until the answer is as wanted: an answer
// may be half a second old.
func (r *rig) inspected(t *testing.T, what string, wanted func(v inspectionJSON) bool, edits ...edit) (v inspectionJSON) {
	t.Helper()
	streamtest.Eventually(t, what, func() bool {
		got := r.do(t, "GET", "/v1/inspect", edits...)
		streamtest.Want(t, "status", got.status, http.StatusOK)
		v = inspectionJSON{}
		streamtest.Must(t, json.Unmarshal([]byte(got.body), &v))
		return wanted(v)
	})
	return v
}

func TestInspect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mia := as(t, "mia", auth.RoleModerator)
	r.do(t, "GET", "/v1/inspect").isProblem(t, http.StatusUnauthorized, "unauthenticated")
	r.do(t, "GET", "/v1/inspect", as(t, "ann")).isProblem(t, http.StatusForbidden, "forbidden")
	streamtest.Want(t, "status for an admin", r.do(t, "GET", "/v1/inspect", as(t, "root", auth.RoleAdmin)).status, http.StatusOK)

	s := r.follow(t, "topic=post:42")
	s.event("stream.ready")
	r.write(t, "42", "ann", `{"body":"secret text"}`)
	s.event("new-comment")
	v := r.inspected(t, "the delivery is counted", func(v inspectionJSON) bool {
		return v.Readers.SSE == 1 && v.Delivery.Delivered > 0 && len(v.Recent) >= 2
	}, mia)
	streamtest.Want(t, "connection slots", v.Readers.Slots, 1)
	streamtest.Want(t, "the listener is connected", v.Listener.Connected, true)
	streamtest.Want(t, "the log is readable", v.Delivery.Readable, true)
	streamtest.Want(t, "buckets", len(v.Delivery.Latency), len(v.Delivery.BoundsMS)+1)
	streamtest.Want(t, "instances", len(v.Instances), 1)
	streamtest.Want(t, "this is one of them", v.Instances[0].Self, true)
	if v.Delivery.Head != v.Recent[0].ID || !strings.HasPrefix(v.Recent[0].Topic, "post:") && !strings.HasPrefix(v.Recent[0].Topic, "tidings") {
		t.Errorf("the newest event is %+v, the head %s", v.Recent[0], v.Delivery.Head)
	}
	body := r.do(t, "GET", "/v1/inspect", mia)
	if strings.Contains(body.body, "secret text") {
		t.Errorf("the answer has the text of a comment: %s", body.body)
	}
	streamtest.Want(t, "Cache-Control", body.header.Get("Cache-Control"), "private, no-store")
}

// A reader that does not read is among the slowest, with its topics. Events are not lost by that.
func TestInspect_NamesSlowReaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.dialFrom(t, "127.0.0.1")
	w.ask("GET /v1/events?topic=room:slow&topic=post:1 HTTP/1.1")
	r.reading(t, 1)
	v := r.inspected(t, "the reader is among the slowest", func(v inspectionJSON) bool {
		r.exec(t, `select tidings.publish('room:slow', 'x', to_jsonb(repeat('x', 50000))) from generate_series(1, 40)`)
		return len(v.Slowest) == 1
	}, as(t, "mia", auth.RoleModerator))
	streamtest.Want(t, "topics", strings.Join(v.Slowest[0].Topics, " "), "room:slow post:1")
	streamtest.Want(t, "transport", string(v.Slowest[0].Transport), "sse")
	if v.Slowest[0].Lag < 1 {
		t.Errorf("the reader is %+v", v.Slowest[0])
	}
}

// Without a database, the inspector still says what the server knows. A development server
// answers everybody.
func TestInspect_WithoutADatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.api.LocalOnly = true })
	r.inspected(t, "there is one instance", func(v inspectionJSON) bool { return len(v.Instances) == 1 })
	r.db.Close()
	r.inspected(t, "the instances are not known", func(v inspectionJSON) bool { return v.Instances == nil })
}

// The pages for moderators and operators are the same for everybody, and load nothing from
// elsewhere.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"/moderate", "/inspect"} {
		got := r.do(t, "GET", path)
		streamtest.Want(t, "status", got.status, http.StatusOK)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=UTF-8", "Cache-Control": "no-cache", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Content-Security-Policy": pagePolicy, "Access-Control-Allow-Origin": "",
		} {
			streamtest.Want(t, name+" of "+path, got.header.Get(name), want)
		}
		for name, e := range map[string]edit{"a token": as(t, "mia", auth.RoleModerator), "a bad token": header("Authorization", "Bearer x")} {
			streamtest.Want(t, "the page with "+name, r.do(t, "GET", path, e).body == got.body, true)
		}
		streamtest.Want(t, "status", r.do(t, "GET", path, header("If-None-Match", got.header.Get("ETag"))).status, http.StatusNotModified)
		root := parsePage(t, got.body)
		for _, link := range find(root, isLoaded) {
			address := attribute(link, "src") + attribute(link, "href")
			if strings.Contains(address, ":") || strings.HasPrefix(address, "/") { // it works below a prefix of a proxy
				t.Errorf("%s loads %s", path, address)
			}
			file := r.do(t, "GET", "/"+address)
			streamtest.Want(t, "status of "+address, file.status, http.StatusOK)
			streamtest.Want(t, "nosniff", file.header.Get("X-Content-Type-Options"), "nosniff")
		}
	}
	for _, path := range []string{"/pages/moderate.html", "/pages/comments.html", "/pages/..%2Fweb.go", "/pages/x.js", "/pages/"} {
		r.do(t, "GET", path).isProblem(t, http.StatusNotFound, "not_found")
	}
}

// isLoaded reports whether an element makes the browser load something.
func isLoaded(n *html.Node) bool { return n.Data == "script" || n.Data == "link" || n.Data == "img" }
