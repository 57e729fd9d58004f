package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// An index page that has the counts gets 304 until one of them changes, and for other posts
// other counts.
func TestCounts_AreNotModified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/counts?post=a&post=b"
	first := r.do(t, "GET", path)
	first.wants(t, http.StatusOK, `{"data":{"a":{"comments":0,"likes":0},"b":{"comments":0,"likes":0}}}`)
	tag := first.header.Get("ETag")
	if tag == "" {
		t.Fatal("there is no ETag")
	}
	again := func(path, tag string) answer {
		t.Helper()
		return r.do(t, "GET", path, header("If-None-Match", tag))
	}
	same := again(path, `"other", `+tag)
	streamtest.Want(t, "status", same.status, http.StatusNotModified)
	streamtest.Want(t, "ETag of 304", same.header.Get("ETag"), tag)
	streamtest.Want(t, "Cache-Control of 304", same.header.Get("Cache-Control"), "no-cache")
	streamtest.Want(t, "body of 304", same.body, "")
	streamtest.Want(t, "status of other posts", again("/v1/counts?post=a", tag).status, http.StatusOK)
	streamtest.Want(t, "status in another order", again("/v1/counts?post=b&post=a", tag).status, http.StatusNotModified)
	r.write(t, "b", "ann", `{"body":"Hello"}`)
	changed := again(path, tag)
	changed.wants(t, http.StatusOK, `{"data":{"a":{"comments":0,"likes":0},"b":{"comments":1,"likes":0}}}`)
	if changed.header.Get("ETag") == tag {
		t.Error("the ETag is the same after a comment")
	}
	r.do(t, "PUT", "/v1/posts/a/like", as(t, "ann"))
	streamtest.Want(t, "status after a like", again(path, changed.header.Get("ETag")).status, http.StatusOK)

	many := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprint("post=", i)
		}
		return "/v1/counts?" + strings.Join(names, "&")
	}
	streamtest.Want(t, "status of 100 posts", r.do(t, "GET", many(100)).status, http.StatusOK)
	r.do(t, "GET", many(101)).isProblem(t, http.StatusBadRequest, "malformed")
}
