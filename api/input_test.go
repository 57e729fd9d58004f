package api

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func cut(route string) (method, path string) {
	method, path, _ = strings.Cut(route, " ")
	return method, path
}

// A field that a call does not know is refused by name, and nothing is written.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bot := as(t, "bot", auth.RoleService)

	for route, body := range map[string]string{
		"PUT /v1/posts/a":           `{"title":"x"`,
		"POST /v1/posts/a/comments": `{"body":"x"`,
		"POST /v1/ticket":           `{"topics":["me"]`,
		"POST /v1/publish":          `{"topic":"post:a","event":"x","data":1`,
	} {
		method, path := cut(route)
		for member, pointer := range map[string]string{
			`"titel":1`: "/titel", `"private":true`: "/private", `"Title":"x","Body":"x","Topics":[],"Topic":""`: "", `"a/b~c":1`: "/a~1b~0c", `"":1`: "/", `"x y":null`: "/x y",
		} {
			p := r.do(t, method, path, bot, sends(body+","+member+"}")).isProblem(t, 422, "unknown_field")
			if pointer != "" {
				streamtest.Want(t, "pointer of "+route, p.Pointer, pointer)
			}
		}
	}
	for _, route := range []string{
		"POST /v1/posts/a/typing", "PUT /v1/posts/a/like", "DELETE /v1/posts/a/like", "DELETE /v1/comments/1",
	} {
		method, path := cut(route)
		p := r.do(t, method, path, bot, sends(`{"stop":true}`)).isProblem(t, 422, "unknown_field")
		streamtest.Want(t, "pointer of "+route, p.Pointer, "/stop")
		r.do(t, method, path, bot, sends(`true`)).isProblem(t, 400, "malformed")
	}
	r.do(t, "GET", "/v1/posts/a").isProblem(t, 404, "not_found")
	streamtest.Want(t, "status of an empty body", r.do(t, "POST", "/v1/posts/a/typing", bot, sends(` {} `)).status, 204)
	for _, body := range []string{`null`, `[]`, `"x"`, `{"title":1}`, `{} {}`, `{"locked":"yes"}`} {
		r.do(t, "PUT", "/v1/posts/a", bot, sends(body)).isProblem(t, 400, "malformed")
	}
}

// A token changes what it has, and only if it is newer than the one before.
func TestTokensDescribeUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `insert into tidings.users (id, name, avatar_url) values ('una', 'Una Unique', 'https://e.x/a.png')`)
	now := time.Now().Unix()

	const first, second = `{"id":"una","name":"Una Unique","avatarUrl":"https://e.x/a.png"}`, `{"id":"una","name":"Una Two","avatarUrl":"https://e.x/a.png"}`
	for i, step := range []struct {
		claims authtest.Object
		author string
	}{
		{authtest.Object{}, first},
		{authtest.Object{"iat": now - 10}, first},
		{authtest.Object{"iat": now, "name": "Una Two"}, second},
		{authtest.Object{"iat": now - 100, "name": "Una Old", "picture": "https://e.x/old.png"}, second}, // another tab
		{authtest.Object{"iat": now + 1, "name": " \u200b "}, second},
		{authtest.Object{"name": "Without iat"}, second},
		{authtest.Object{}, second},
		{authtest.Object{"iat": now + 3600, "picture": "https://e.x/b.png"}, `{"id":"una","name":"Una Two","avatarUrl":"https://e.x/b.png"}`},
	} {
		step.claims["sub"] = "una"
		una := header("Authorization", "Bearer "+authtest.Token(step.claims))
		streamtest.Want(t, "status of a like", r.do(t, "PUT", "/v1/posts/"+strconv.Itoa(i)+"/like", una).status, 200)
		got := r.do(t, "POST", "/v1/posts/42/comments", una, sends(`{"body":"x"}`))
		listed := r.do(t, "GET", "/v1/posts/42/comments?limit=1")
		for _, a := range []answer{got, listed} {
			if !strings.Contains(a.body, step.author) {
				t.Errorf("after token %d the author is not %s: %s", i, step.author, a.body)
			}
		}
	}
	// A new user without a name has the id as name, until a token says more.
	for _, step := range []struct {
		claims authtest.Object
		name   string
	}{{authtest.Object{"sub": strings.Repeat("e", 255)}, `"name":"` + strings.Repeat("e", 200) + `"`}, {authtest.Object{"sub": "eve"}, `"name":"eve"`}, {authtest.Object{"sub": "eve", "name": "Eve"}, `"name":"Eve"`}} {
		eve := header("Authorization", "Bearer "+authtest.Token(step.claims))
		got := r.do(t, "POST", "/v1/posts/42/comments", eve, sends(`{"body":"x"}`))
		streamtest.Want(t, step.name+" is shown", strings.Contains(got.body, step.name), true)
	}
}

// A body needs a visible character, and keeps every one that it has.
func TestBodiesAreVisible(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, body := range []string{"", " ", "\u200b", "\u2060\ufeff", "\u00ad", "\u2800", "\u3164", "\ufe0f", "\u202e", "\U000e0041", " \t\r\n"} {
		text, err := json.Marshal(map[string]string{"body": body})
		streamtest.Must(t, err)
		r.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(string(text))).isProblem(t, 422, "invalid")
	}
	for _, body := range []string{"👩\u200d💻", "\u200bx", "🇫🇷", ".", "می\u200cخواهم", "a\u202eb"} {
		text, err := json.Marshal(map[string]string{"body": body})
		streamtest.Must(t, err)
		got := r.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(string(text)))
		var c struct{ Body string }
		streamtest.Must(t, json.Unmarshal([]byte(got.body), &c))
		streamtest.Want(t, "body", c.Body, body)
	}
}

// The id of a post may be in the query: proxies that decode paths do not change it there.
func TestPostInTheQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, id := range []string{"a/b", "/blog/1/?p=12", "%D0%B0", "like", "x"} {
		path := func(rest string) string { return "/v1/posts/-" + rest + "?post=" + url.QueryEscape(id) }
		got := r.do(t, "POST", path("/comments"), as(t, "ann"), sends(`{"body":"x"}`))
		streamtest.Want(t, "status", got.status, 201)
		streamtest.Want(t, "location below a prefix", resolve(t, "/c"+path("/comments"), got), "/c"+resolve(t, path("/comments"), got))
		r.do(t, "GET", resolve(t, path("/comments"), got)).wants(t, 200, got.body)
		streamtest.Want(t, "list", r.do(t, "GET", path("/comments")).body, r.do(t, "GET", "/v1/posts/"+url.PathEscape(id)+"/comments").body)
		r.do(t, "PUT", path("/like"), as(t, "ann")).wants(t, 200, `{"count":1,"liked":true}`)
		r.do(t, "DELETE", path("/like"), as(t, "ann")).wants(t, 200, `{"count":0,"liked":false}`)
		streamtest.Want(t, "status of typing", r.do(t, "POST", path("/typing"), as(t, "ann")).status, 204)
		r.do(t, "GET", path("")).wants(t, 200, r.do(t, "GET", "/v1/posts/"+url.PathEscape(id)).body)
	}
	for _, path := range []string{"/v1/posts/-", "/v1/posts/-/comments", "/v1/posts/-/comments?post=a&post=b", "/v1/posts/a/comments?post=a", "/v1/posts/a?post=b"} {
		r.do(t, "GET", path).isProblem(t, 400, "malformed")
	}
	r.do(t, "GET", "/v1/posts/-/comments?post=").isProblem(t, 400, "invalid_id")
	r.do(t, "GET", "/v1/posts/-/comments?post=-").isProblem(t, 400, "invalid_id")
}

// A problem about topics names those that the user may not read.
func TestProblemsNameTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, path := range both {
		p := r.do(t, "GET", path+"topic=post:1&topic=user:bob&topic=site:a&topic=user:bob", as(t, "ann")).isProblem(t, 403, "forbidden")
		streamtest.Want(t, "topics", p.Topics, []string{"user:bob", "site:a"})
		p = r.do(t, "GET", path+"topic=me&topic=post:1&topic=site:a").isProblem(t, 401, "unauthenticated")
		streamtest.Want(t, "topics", p.Topics, []string{"me", "site:a"})
		p = r.do(t, "GET", path+"topic=me", site("same-origin"), cookie(tokenUntil(t, time.Now().Add(-time.Hour), "ann"))).isProblem(t, 401, "unauthenticated")
		streamtest.Want(t, "reason why the cookie was not used", p.Reason, "expired")
		p = r.do(t, "GET", path+"topic=post:43&topic=me&ticket="+r.ticket(t, as(t, "ann"), `["me"]`)).isProblem(t, 403, "forbidden")
		streamtest.Want(t, "topics", p.Topics, []string{"post:43"})
	}
	p := r.do(t, "POST", "/v1/ticket", as(t, "ann"), sends(`{"topics":["me","user:bob"]}`)).isProblem(t, 403, "forbidden")
	streamtest.Want(t, "topics", p.Topics, []string{"user:bob"})
}
