package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// both are the paths of the two transports, which refuse the same requests.
var both = []string{"/v1/events?", "/v1/poll?wait=0&"}

func TestTopicsAreStrict(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	topics := func(n int, format string) string {
		pairs := make([]string, n)
		for i := range pairs {
			pairs[i] = fmt.Sprintf("topic="+format, i)
		}
		return strings.Join(pairs, "&")
	}
	for query, code := range map[string]string{
		"topic=post:a;topic=post:b":               "malformed",
		"topic=%zz":                               "malformed",
		"topic=post:a&%":                          "malformed",
		topics(50, "post:%d") + "&" + long(8<<10): "malformed",
		"topic=post:a&access_token=x":             "malformed",
		"topic=post:a&token=x":                    "malformed",
		"topic=post:a&ticket=x&ticket=y":          "malformed",
		"":                                        "invalid_topic",
		"topics=post:a":                           "invalid_topic",
		"topic=":                                  "invalid_topic",
		"topic[]=post:a":                          "invalid_topic",
		"topic=post:a&topic=":                     "invalid_topic",
		"topic=post":                              "invalid_topic",
		"topic=:a":                                "invalid_topic",
		"topic=post:":                             "invalid_topic",
		"topic=ME":                                "invalid_topic",
		"topic=Post:a":                            "invalid_topic",
		"topic=post:*":                            "invalid_topic",
		"topic=*":                                 "invalid_topic",
		"topic=post:..":                           "invalid_topic",
		"topic=post:.":                            "invalid_topic",
		"topic=post:a%0aid:%20x":                  "invalid_topic",
		"topic=post:a%0d":                         "invalid_topic",
		"topic=post:a%00":                         "invalid_topic",
		"topic=post:a%20b":                        "invalid_topic",
		"topic=post:a+b":                          "invalid_topic",
		"topic=post:%E2%80%AEa":                   "invalid_topic",
		"topic=post:%E2%80%8Ba":                   "invalid_topic",
		"topic=post:%C3%A9":                       "invalid_topic",
		"topic=post:%ff":                          "invalid_topic",
		"topic=post:" + strings.Repeat("a", 513):  "invalid_topic",
		topics(51, "post:%d"):                     "invalid_topic",
		strings.Repeat("topic=post:a&", 50) + "topic=post:a": "invalid_topic", // counted as given
	} {
		for _, path := range both {
			got := r.do(t, "GET", path+query)
			p := got.isProblem(t, 400, code)
			if t.Failed() {
				t.Fatalf("for %q", query)
			}
			if strings.Contains(got.body, "\u202e") || strings.Contains(p.Detail, "secret:") {
				t.Errorf("%q is reflected: %s", query, got.body)
			}
		}
	}
	for _, path := range both {
		p := r.do(t, "GET", path+"topic=post:a&topic=post&topic=user:b&topic=:c").isProblem(t, 400, "invalid_topic")
		streamtest.Want(t, "the topics that are none", p.Topics, []string{"post", ":c"})
	}
	for _, query := range []string{
		topics(50, "post:%d"),
		strings.Repeat("topic=post:a&", 49) + "topic=post:b",
		"topic=post:auth0%7C5f&topic=post:a%2Fb&topic=post:https://example.org/a%2Bb,c=@~&topic=room:x",
		"topic=post:" + strings.Repeat("a", 200),
	} {
		r.do(t, "GET", "/v1/poll?"+query).wants(t, 200, `{"events":[],"cursor":"*","more":false,"user":null}`)
		r.follow(t, query).event("stream.ready")
	}
}

// long is a parameter that makes a query too long.
func long(n int) string { return "x=" + strings.Repeat("x", n) }

// A token in a URL is refused, because URLs are logged.
func TestTokensInURLsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	ann := token(t, "ann")
	for _, route := range []string{"GET /v1/posts/a", "PUT /v1/posts/a/like", "POST /v1/ticket", "GET /v1/events", "GET /v1/notifications"} {
		method, path, _ := strings.Cut(route, " ")
		got := r.do(t, method, path+"?access_token="+ann)
		got.isProblem(t, 400, "malformed")
		if strings.Contains(got.body+r.logs.String(), ann) {
			t.Errorf("%s repeats the token", route)
		}
	}
	r.do(t, "GET", "/v1/events?topic=me&ticket="+ann).isProblem(t, 401, "invalid_ticket")
}

func TestCursorsAreStrict(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	bad := map[string]string{
		"cursor=1-1&cursor=1-1":                     "malformed",
		"last_event_id=1-1&last_event_id=":          "malformed",
		"cursor=" + strings.Repeat("1", 257):        "invalid_cursor",
		"last_event_id=" + strings.Repeat("1", 257): "invalid_cursor",
	}
	for _, text := range []string{
		"x", "1", "-1", "1-", "-", "1--1", "0-1", "01-1", "1-01", "+1-1", "1-+1", "1-1 ", " 1-1", "1-1\n", "1-1\x00", "Now", "latest",
		"1-9223372036854775808", "9223372036854775808-1", "1-1e3", "١-١", "\xff", "<script>alert(1)</script>", "../../etc/passwd", "1-1'; drop table x; --",
	} {
		bad["cursor="+url.QueryEscape(text)] = "invalid_cursor"
		bad["lastEventId="+url.QueryEscape(text)] = "invalid_cursor"
	}
	for query, code := range bad {
		for _, path := range both {
			got := r.do(t, "GET", path+"topic=post:a&"+query)
			p := got.isProblem(t, 400, code)
			if strings.Contains(got.body, "script") || strings.Contains(p.Detail, "drop") {
				t.Errorf("%q is reflected: %s", query, got.body)
			}
		}
	}
}

func TestLastEventID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.head(t)
	r.publish(t, "room:1", "tick", `1`)
	end := r.head(t)

	first := func(query string, edits ...edit) string {
		t.Helper()
		s := r.follow(t, "topic=room:1&"+query, edits...)
		defer s.leave()
		return s.event("stream.ready").field("id")
	}
	id := func(values ...string) edit { return header("Last-Event-ID", values...) }
	streamtest.Want(t, "header", first("", id(start)), start)
	streamtest.Want(t, "header over cursor", first("cursor="+end, id(start)), start)
	streamtest.Want(t, "header over alias", first("lastEventId="+end, id(start)), start)
	streamtest.Want(t, "empty header is none", first("cursor="+start, id("")), start)
	streamtest.Want(t, "cursor over alias", first("cursor="+start+"&last_event_id="+end), start)
	streamtest.Want(t, "alias", first("last_event_id="+start), start)
	streamtest.Want(t, "other alias", first("lastEventId="+start), start)
	streamtest.Want(t, "empty cursor is none", first("cursor=&last_event_id="+start), start)
	streamtest.Want(t, "nothing is now", first(""), end)
	streamtest.Want(t, "now", first("cursor=now"), end)

	for _, path := range both {
		query := path + "topic=room:1&cursor=" + start
		r.do(t, "GET", query, id(start, start)).isProblem(t, 400, "malformed")
		r.do(t, "GET", query, id(start, "")).isProblem(t, 400, "malformed")
		r.do(t, "GET", query, id("\xff")).isProblem(t, 400, "invalid_cursor")
		r.do(t, "GET", query, id("é")).isProblem(t, 400, "invalid_cursor")
		p := r.do(t, "GET", query, id(strings.Repeat("1", 257))).isProblem(t, 400, "invalid_cursor")
		streamtest.Want(t, "detail", p.Detail, "it has more than 256 bytes")
		got := r.do(t, "GET", query, id("<script>"))
		got.isProblem(t, 400, "invalid_cursor")
		if strings.Contains(got.body, "script") {
			t.Errorf("the header is reflected: %s", got.body)
		}
	}
	w := r.dial(t)
	w.ask("GET /v1/events?topic=room:1 HTTP/1.1", "Last-Event-ID: 1-1\x00")
	if status, _ := w.head(); !strings.HasPrefix(status, "HTTP/1.1 400 ") {
		t.Errorf("status line of a control character is %q", status)
	}
}

// Parts of a request occur in the answer only as JSON strings.
func TestNothingIsReflectedUnescaped(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, path := range []string{"/v1/%3Cscript%3E", "/v1/posts/%3Cscript%3E", "/%0d%0aX-Evil:%201", "/v1/comments/%00", "/v1/posts/%e2%80%ae"} {
		got := r.do(t, "GET", path)
		if got.status < 400 || strings.Contains(got.body, "<script>") || got.header.Get("X-Evil") != "" {
			t.Errorf("%s: %d %v %s", path, got.status, got.header, got.body)
		}
	}
	p := r.do(t, "GET", "/v1/posts/a%2Fb%22").isProblem(t, 400, "invalid_id")
	streamtest.Want(t, "instance", p.Instance, "/v1/posts/a%2Fb%22") // a URI reference, not what it decodes to
}

// The X-Request-Id of a client is replaced, because ids are written to the logs.
func TestRequestIDsAreOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	p := r.do(t, "GET", "/v1/nothing", header("X-Request-Id", "forged")).isProblem(t, 404, "not_found")
	q := r.do(t, "GET", "/v1/nothing").isProblem(t, 404, "not_found")
	if p.RequestID == "forged" || p.RequestID == q.RequestID {
		t.Errorf("request ids are %q and %q", p.RequestID, q.RequestID)
	}
}
