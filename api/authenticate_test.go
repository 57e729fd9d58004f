package api

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A bad token gets an answer that names the rule that it breaks, and nothing else.
func TestBadTokensAreAnsweredWithAReason(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) {
		s.tokens = auth.Config{Secret: secret, PublicKey: authtest.PublicPEM(t, authtest.Keys().P256), Issuer: "https://site.example", Audience: "tidings"}
	})

	first := make(map[string]Problem)
	for name, token := range authtest.BadTokens(t) {
		got := r.do(t, "GET", "/v1/posts/a/comments", header("Authorization", "Bearer "+token))
		p := got.isProblem(t, 401, "invalid_token")
		streamtest.Want(t, "WWW-Authenticate", got.header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`)
		streamtest.Want(t, "reason of "+name, p.Reason, authtest.Reason(name))
		p.RequestID = ""
		if _, ok := first[p.Reason]; !ok {
			first[p.Reason] = p
		}
		if !reflect.DeepEqual(p, first[p.Reason]) {
			t.Errorf("%s is answered %+v, others %+v", name, p, first[p.Reason])
		}
		if len(token) > 20 && strings.Contains(r.logs.String(), token) {
			t.Errorf("%s is in the log", name)
		}
	}
	w := r.dial(t)
	w.ask("GET /v1/posts/a/comments HTTP/1.1", "Authorization: Bearer "+strings.Repeat("a.", 512<<10))
	if status, _ := w.head(); !strings.HasPrefix(status, "HTTP/1.1 431 ") {
		t.Errorf("status line of a token of 1 MB is %q", status)
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ann := token(t, "ann")
	const mine = "/v1/notifications"

	for _, value := range []string{"Bearer " + ann, "bearer " + ann, "BEARER   " + ann} {
		streamtest.Want(t, "status", r.do(t, "GET", mine, header("Authorization", value)).status, http.StatusOK)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	for _, value := range []string{"Bearer", "Bearer ", "Bearer \u00a0", "Bearer\t" + ann, "Bearer " + ann + " " + ann, "Bearer " + ann + ","} {
		for _, path := range []string{mine, "/v1/posts/a/comments"} { // also where none is needed
			r.do(t, "GET", path, header("Authorization", value)).isProblem(t, 401, "invalid_token")
		}
	}
	// Other schemes are for other servers, such as a proxy that asks for a password.
	for _, value := range []string{basic, "", ann, "Bearer" + ann, "Digest username=\"ann\"", "Negotiate abc"} {
		other := header("Authorization", value)
		streamtest.Want(t, "status with "+value, r.do(t, "GET", "/v1/posts/a/comments", other).status, http.StatusOK)
		r.do(t, "GET", mine, other).isProblem(t, 401, "unauthenticated")
		streamtest.Want(t, "status with a cookie", r.do(t, "GET", mine, other, cookie(ann), origin(page)).status, http.StatusOK)
	}
	streamtest.Want(t, "status of two schemes", r.do(t, "GET", mine, header("Authorization", basic, "Bearer "+ann)).status, http.StatusOK)
	r.do(t, "GET", mine, header("Authorization", "Bearer "+ann, "Bearer "+ann)).isProblem(t, 400, "malformed")
	got := r.do(t, "GET", mine)
	got.isProblem(t, 401, "unauthenticated")
	streamtest.Want(t, "WWW-Authenticate", got.header.Get("WWW-Authenticate"), "Bearer")

	expired := header("Authorization", "Bearer "+tokenUntil(t, time.Now().Add(-time.Minute), "ann"))
	for _, path := range both {
		r.do(t, "GET", path+"topic=post:a", expired).isProblem(t, 401, "invalid_token")
	}
}

// Each route answers requests without a token, with a problem if it needs a user.
func TestRoutesThatNeedAUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for route, code := range map[string]string{
		"GET /v1/posts/a":               "not_found",
		"GET /v1/posts/a/comments":      "",
		"GET /v1/counts?post=a":         "",
		"GET /v1/poll?topic=post:a":     "",
		"PUT /v1/posts/a":               "unauthenticated",
		"POST /v1/posts/a/comments":     "unauthenticated",
		"DELETE /v1/comments/1":         "unauthenticated",
		"GET /v1/comments/1":            "not_found",
		"PUT /v1/posts/a/like":          "unauthenticated",
		"DELETE /v1/posts/a/like":       "unauthenticated",
		"POST /v1/posts/a/typing":       "unauthenticated",
		"GET /v1/notifications":         "unauthenticated",
		"POST /v1/publish":              "unauthenticated",
		"POST /v1/ticket":               "unauthenticated",
		"GET /v1/poll?topic=me":         "unauthenticated",
		"GET /v1/poll?topic=user:ann":   "unauthenticated",
		"GET /v1/poll?topic=site:a":     "unauthenticated",
		"GET /v1/events?topic=me":       "unauthenticated",
		"GET /v1/events?topic=user:ann": "unauthenticated",
		"GET /v1/events?topic=site:a":   "unauthenticated",
	} {
		method, path, _ := strings.Cut(route, " ")
		got := r.do(t, method, path)
		if code == "" {
			streamtest.Want(t, route, got.status, http.StatusOK)
			continue
		}
		status := map[string]int{"not_found": 404, "unauthenticated": 401}[code]
		got.isProblem(t, status, code)
	}
}

// Private topics are readable only by the right users, on both transports, and the answer
// to others does not tell whether a topic exists.
func TestPrivateTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.publish(t, "user:ann", "tick", `{}`)

	ann, mod := as(t, "ann"), as(t, "mod", auth.RoleModerator)
	for _, c := range []struct {
		topic string
		who   edit
		may   bool
	}{
		{"me", ann, true}, {"user:ann", ann, true}, {"post:1", ann, true}, {"room:1", ann, true},
		{"user:Ann", ann, false}, {"user:ann2", ann, false}, {"user:an", ann, false}, {"user:me", ann, false},
		{"user:ann/", ann, false}, {"user:user:ann", ann, false}, {"user:a%6En", ann, true}, // decoded once, then exact
		{"site:moderation", ann, false}, {"site:moderation", mod, true},
		{"site:moderation", as(t, "bot", auth.RoleService), true}, {"site:moderation", as(t, "root", auth.RoleAdmin), true},
		{"site:moderation", as(t, "x", "Moderator"), false},
		{"user:ann", mod, false}, {"user:ann", as(t, "root", auth.RoleAdmin), false}, {"user:ann", as(t, "bot", auth.RoleService), false},
		{"user:nobody-ever", ann, false},
	} {
		for _, path := range both {
			query := path + "topic=" + c.topic + "&cursor=earliest"
			if c.may {
				streamtest.Want(t, "status of "+query, r.do(t, "HEAD", query, c.who).status, http.StatusOK)
				continue
			}
			r.do(t, "GET", query, c.who).isProblem(t, 403, "forbidden")
			r.do(t, "GET", path+"topic=post:1&topic="+c.topic, c.who).isProblem(t, 403, "forbidden") // whole or not at all
		}
	}
	existing := r.do(t, "GET", "/v1/poll?topic=user:ann", as(t, "bob")).isProblem(t, 403, "forbidden")
	missing := r.do(t, "GET", "/v1/poll?topic=user:zoe", as(t, "bob")).isProblem(t, 403, "forbidden")
	streamtest.Want(t, "detail", missing.Detail, existing.Detail)
}

func TestNew_RefusesAnInvalidConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]func(c *Config){
		"NoStore":    func(c *Config) { c.Store = nil },
		"NoHub":      func(c *Config) { c.Hub = nil },
		"NoListener": func(c *Config) { c.Listener = nil },
		"NoVerifier": func(c *Config) { c.Verifier = nil },
		"Limit":      func(c *Config) { c.Limits.PerUser = -1 },
		"Proxy":      func(c *Config) { c.Limits.TrustedProxies = []string{"proxy.example"} },
	}
	for _, origin := range []string{
		"", "*", "null", "app.example", "https://*.example", "https://app.example/", "https://app.example/x", "ftp://app.example",
		"https://app.example:443", "http://app.example:80", "https://münchen.example", "https://user@app.example", "https://app.example?x",
	} {
		cases["Origin "+origin] = func(c *Config) { c.AllowedOrigins = []string{origin} }
	}
	for _, kind := range []string{"", "user", "site", "Room", "a:b", "a b"} {
		cases["Kind "+kind] = func(c *Config) { c.PublicKinds = []string{kind} }
	}
	for name, edit := range cases {
		cfg := unconnected(t)
		edit(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	cfg := unconnected(t)
	cfg.AllowedOrigins, cfg.PublicKinds = []string{"https://App.example", "http://localhost:3000"}, []string{"room", "post"}
	_, err := New(cfg)
	streamtest.Must(t, err)
}
