package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestPosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bot := as(t, "bot", auth.RoleService)
	const full = `{"title":"A title","url":"https://example.org/a","authorId":"eve","locked":true}`

	t.Run("PutCreatesThenChanges", func(t *testing.T) {
		t.Parallel()
		r.do(t, "GET", "/v1/posts/put").isProblem(t, 404, "not_found")
		const created = `{"id":"put","title":"A title","url":"https://example.org/a","authorId":"eve","locked":true,"commentCount":0,"likeCount":0,"liked":false,"createdAt":"*"}`
		r.do(t, "PUT", "/v1/posts/put", bot, sends(full)).wants(t, 201, created)
		r.do(t, "PUT", "/v1/posts/put", as(t, "root", auth.RoleAdmin), sends(full)).wants(t, 200, created)
		r.do(t, "GET", "/v1/posts/put").wants(t, 200, created)
		r.do(t, "PUT", "/v1/posts/put", bot, sends(`{}`)).wants(t, 200, created) // what is absent stays
		for _, step := range [][2]string{
			{`{"locked":false}`, `"title":"A title","url":"https://example.org/a","authorId":"eve","locked":false`},
			{`{"title":"B"}`, `"title":"B","url":"https://example.org/a","authorId":"eve","locked":false`},
			{`{"url":null,"locked":true}`, `"title":"B","url":null,"authorId":"eve","locked":true`},
			{`{"title":null,"authorId":null}`, `"title":null,"url":null,"authorId":null,"locked":true`},
			{`{"locked":null}`, `"title":null,"url":null,"authorId":null,"locked":false`},
		} {
			r.do(t, "PUT", "/v1/posts/put", bot, sends(step[0])).
				wants(t, 200, `{"id":"put",`+step[1]+`,"commentCount":0,"likeCount":0,"liked":false,"createdAt":"*"}`)
		}
	})
	t.Run("PutNeedsARole", func(t *testing.T) {
		t.Parallel()
		for _, roles := range [][]string{nil, {auth.RoleModerator}, {"Service"}, {"services"}} {
			r.do(t, "PUT", "/v1/posts/mine", as(t, "ann", roles...), sends(full)).isProblem(t, 403, "forbidden")
		}
		r.do(t, "PUT", "/v1/posts/mine", sends(full)).isProblem(t, 401, "unauthenticated")
		r.do(t, "GET", "/v1/posts/mine").isProblem(t, 404, "not_found")
	})
	t.Run("IdsArePercentEncodedOnce", func(t *testing.T) {
		t.Parallel()
		for path, id := range map[string]string{
			"a%2Fb": "a/b", "a%2fb%2Fc": "a/b/c", "auth0%7C5f": "auth0|5f", "auth0|5f": "auth0|5f", "ann@example.org": "ann@example.org",
			"ann%40example.org": "ann@example.org", "https:%2F%2Fexample.org%2Fa": "https://example.org/a", "a+b": "a+b", "a%2Bb": "a+b",
			"a,b=c~d": "a,b=c~d", "%61": "a", "a%252Fb": "a%2Fb", "%252525": "%2525", "*a": "*a", "a;b": "a;b", "a%3Fb%23c": "a?b#c",
			"%25D0%25B0": "%D0%B0", "o'brien@x.org": "o'brien@x.org", "%2F%3Fp=12": "/?p=12", strings.Repeat("a", 512): strings.Repeat("a", 512), "a:b%3Ac": "a:b:c", "...": "...",
		} {
			r.do(t, "PUT", "/v1/posts/"+path, bot, sends(`{}`))
			r.do(t, "GET", "/v1/posts/"+path).wants(t, 200,
				`{"id":"`+id+`","title":null,"url":null,"authorId":null,"locked":false,"commentCount":0,"likeCount":0,"liked":false,"createdAt":"*"}`)
			r.do(t, "PUT", "/v1/posts/"+path+"/like", as(t, "ann")).wants(t, 200, `{"count":1,"liked":true}`)
			r.do(t, "DELETE", "/v1/posts/"+path+"/like", as(t, "ann")).wants(t, 200, `{"count":0,"liked":false}`)
		}
		for _, path := range []string{
			"%2e%2e", "..", "%2E", ".", "a%20b", "a%00", "a%0Ab", "a%ff", "é", "*", "a%22", "a%5Cb", "a%3Cb", "a%5Eb", "a%60b", "a%7Bb",
			strings.Repeat("a", 513),
		} {
			r.do(t, "PUT", "/v1/posts/"+path, bot, sends(`{}`)).isProblem(t, 400, "invalid_id")
			r.do(t, "GET", "/v1/posts/"+path).isProblem(t, 400, "invalid_id")
			r.do(t, "GET", "/v1/posts/"+path+"/comments").isProblem(t, 400, "invalid_id")
			r.do(t, "POST", "/v1/posts/"+path+"/typing", as(t, "ann")).isProblem(t, 400, "invalid_id")
		}
		r.do(t, "GET", "/v1/posts//comments").isProblem(t, 400, "invalid_id")
	})
}

func TestLikes(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	like := func(method, who string) answer {
		t.Helper()
		return r.do(t, method, "/v1/posts/42/like", as(t, who))
	}
	like("DELETE", "ann").wants(t, 200, `{"count":0,"liked":false}`)
	like("PUT", "ann").wants(t, 200, `{"count":1,"liked":true}`)
	like("PUT", "ann").wants(t, 200, `{"count":1,"liked":true}`)
	like("PUT", "bob").wants(t, 200, `{"count":2,"liked":true}`)
	like("DELETE", "ann").wants(t, 200, `{"count":1,"liked":false}`)
	like("DELETE", "ann").wants(t, 200, `{"count":1,"liked":false}`)
	r.do(t, "PUT", "/v1/posts/42/like").isProblem(t, 401, "unauthenticated")

	shut := newRig(t, func(s *setup) { s.store = store.Config{AutoPosts: false} })
	shut.do(t, "PUT", "/v1/posts/42/like", as(t, "ann")).isProblem(t, 404, "not_found")
	shut.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(`{"body":"x"}`)).isProblem(t, 404, "not_found")
}

func TestCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	r.do(t, "PUT", "/v1/posts/a%2Fb/like", as(t, "ann"))
	r.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(`{"body":"x"}`))
	r.do(t, "GET", "/v1/counts?post=42&post=a%2Fb&post=nobody&post=42").wants(t, 200,
		`{"data":{"42":{"comments":1,"likes":0},"a/b":{"comments":0,"likes":1},"nobody":{"comments":0,"likes":0}}}`)
	many := func(n int) string {
		var query strings.Builder
		for i := range n {
			fmt.Fprintf(&query, "&post=%d", i)
		}
		return "/v1/counts?" + query.String()
	}
	streamtest.Want(t, "status of 100", r.do(t, "GET", many(100)).status, http.StatusOK)
	r.do(t, "GET", many(101)).isProblem(t, 400, "malformed")
	r.do(t, "GET", many(0)).isProblem(t, 400, "malformed")
	r.do(t, "GET", "/v1/counts?post=42;post=43").isProblem(t, 400, "malformed")
	for _, id := range []string{"", "%2e%2e", "a%20b", "-"} {
		r.do(t, "GET", "/v1/counts?post=42&post="+id).isProblem(t, 400, "invalid_id")
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	r.do(t, "GET", "/healthz").wants(t, 200, `{"status":"ok"}`)
	var got answer
	streamtest.Eventually(t, "the NOTIFY queue has been read", func() bool {
		got = r.do(t, "GET", "/readyz")
		return strings.Contains(got.body, `"notifyQueue":`)
	})
	streamtest.Want(t, "status", got.status, 200)
	for _, member := range []string{`"status":"ready"`, `"connected":true`, `"lastProof":"`, `"lagMs":`, `"notifyQueue":`} {
		streamtest.Want(t, member+" is told", strings.Contains(got.body, member), true)
	}
	streamtest.Want(t, "Cache-Control", got.header.Get("Cache-Control"), "no-store")
	streamtest.Want(t, "status of HEAD", r.do(t, "HEAD", "/healthz").status, 200)
	r.Drain()
	p := r.do(t, "GET", "/readyz").isProblem(t, 503, "unavailable")
	streamtest.Want(t, "detail", p.Detail, "server is stopping")
	r.do(t, "GET", "/healthz").wants(t, 200, `{"status":"ok"}`)
}
