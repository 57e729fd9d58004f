package client

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	const problemType = "application/problem+json; charset=utf-8"
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		header http.Header
		want   Problem
		text   string
	}{
		{name: "Full", status: 404, kind: problemType,
			body: `{"type":"about:blank","title":"Not found","status":404,"detail":"no post 9","instance":"/v1/posts/9","code":"not_found","requestId":"r1"}`,
			want: Problem{Status: 404, Code: "not_found", Title: "Not found", Detail: "no post 9", Instance: "/v1/posts/9", RequestID: "r1"},
			text: "get post: 404 not_found: no post 9"},
		{name: "CursorGone", status: 410, kind: problemType,
			body: `{"title":"Gone","code":"cursor_gone","reason":"expired","from":"1-2","resumed":"1-9"}`,
			want: Problem{Status: 410, Code: "cursor_gone", Title: "Gone", Reason: "expired", From: "1-2", Resumed: "1-9"},
			text: "get post: 410 cursor_gone"},
		{name: "RetryAfter", status: 429, kind: problemType, body: `{"code":"rate_limited"}`,
			header: http.Header{"Retry-After": {"7"}, "X-Request-Id": {"r2"}},
			want:   Problem{Status: 429, Code: "rate_limited", Title: "Too Many Requests", RequestID: "r2", RetryAfter: 7 * time.Second},
			text:   "get post: 429 rate_limited"},
		{name: "TheAnswersOwnStatusCounts", status: 503, kind: problemType, body: `{"status":200,"code":7}`,
			want: Problem{Status: 503, Title: "Service Unavailable"},
			text: "get post: 503 Service Unavailable"},
		{name: "PlainText", status: 431, kind: "text/plain; charset=utf-8", body: "431 Request Header Fields Too Large\nmore",
			want: Problem{Status: 431, Title: "Request Header Fields Too Large", Detail: "431 Request Header Fields Too Large"},
			text: "get post: 431 Request Header Fields Too Large: 431 Request Header Fields Too Large"},
		{name: "LongPlainText", status: 502, kind: "text/plain", body: strings.Repeat("x", 300),
			want: Problem{Status: 502, Title: "Bad Gateway", Detail: strings.Repeat("x", 200) + "…"},
			text: "get post: 502 Bad Gateway: " + strings.Repeat("x", 200) + "…"},
		{name: "ProxyPage", status: 502, kind: "text/html", body: "<html>",
			want: Problem{Status: 502, Title: "Bad Gateway"}, text: "get post: 502 Bad Gateway"},
		{name: "NotJSON", status: 500, kind: problemType, body: "{",
			want: Problem{Status: 500, Title: "Internal Server Error"}, text: "get post: 500 Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for name, values := range tt.header {
					w.Header()[name] = values
				}
				answer(w, tt.status, tt.kind, tt.body)
			})
			_, err := c.Post(t.Context(), "9")
			var p *Problem
			if !errors.As(err, &p) || !reflect.DeepEqual(*p, tt.want) {
				t.Fatalf("got %+v\nwant %+v", p, tt.want)
			}
			if err.Error() != tt.text {
				t.Errorf("got %s\nwant %s", err, tt.text)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}
