package api

import (
	"net/http"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// host sets the host that a request is sent to.
func host(name string) edit { return func(r *http.Request) { r.Host = name } }

// A proxy may change the host of a request. The site's own page can read and write anyway,
// and other pages can not.
func TestOwnOriginBehindAProxy(t *testing.T) {
	t.Parallel()
	plain := newRig(t)
	public := newRig(t, func(s *setup) { s.api.PublicURL = "https://Blog.example:443/comments/" })
	proxied := newRig(t, limited(Limits{TrustedProxies: []string{"127.0.0.0/8"}}))

	like := func(r *rig, path string, edits ...edit) answer {
		return r.do(t, "PUT", "/v1/posts/"+path+"/like", append(edits, cookie(token(t, "ann")))...)
	}
	const blog = "https://blog.example"
	for name, c := range map[string]struct {
		r     *rig
		edits []edit
		own   bool
	}{
		"HostAsIs":               {plain, []edit{host("blog.example"), origin(blog)}, true},
		"HostInAnotherCase":      {plain, []edit{host("Blog.Example:443"), origin(blog)}, true},
		"IPv6":                   {plain, []edit{host("[::1]:8080"), origin("http://[::1]:8080")}, true},
		"HostRewritten":          {plain, []edit{host("127.0.0.1:8080"), origin(blog)}, false},
		"BrowserSaysSame":        {plain, []edit{host("127.0.0.1:8080"), origin(blog), site("same-origin")}, true},
		"BrowserSaysSameNull":    {plain, []edit{origin("null"), site("same-origin")}, true}, // Referrer-Policy: no-referrer
		"BrowserSaysSameSite":    {plain, []edit{host("blog.example"), origin("http://blog.example"), site("same-site")}, false},
		"UntrustedForwardedHost": {plain, []edit{host("up"), origin(blog), header("X-Forwarded-Host", "blog.example")}, false},

		"Public":              {public, []edit{host("127.0.0.1:8080"), origin(blog)}, true},
		"PublicReferer":       {public, []edit{host("127.0.0.1:8080"), header("Referer", blog+"/x")}, false}, // for GET and HEAD only
		"PublicAndNoOther":    {public, []edit{host("other.example"), origin("https://other.example")}, false},
		"PublicOtherScheme":   {public, []edit{host("blog.example"), origin("http://blog.example")}, false},
		"PublicBrowserDecide": {public, []edit{host("other.example"), origin("https://other.example"), site("same-origin")}, true},

		"ForwardedHost":      {proxied, []edit{host("up"), origin(blog), header("X-Forwarded-Host", "blog.example")}, true},
		"ForwardedHostLast":  {proxied, []edit{host("up"), origin(blog), header("X-Forwarded-Host", "evil.example, blog.example")}, true},
		"ForwardedHostFirst": {proxied, []edit{host("up"), origin(blog), header("X-Forwarded-Host", "blog.example, evil.example")}, false},
		"ForwardedProto":     {proxied, []edit{host("blog.example"), origin(blog), header("X-Forwarded-Proto", "https")}, true},
		"ForwardedProtoElse": {proxied, []edit{host("blog.example"), origin(blog), header("X-Forwarded-Proto", "https, http")}, false},
		"NotForwarded":       {proxied, []edit{host("blog.example"), origin(blog)}, true},
	} {
		got := like(c.r, name, c.edits...)
		if own := got.status == http.StatusOK; own != c.own {
			t.Errorf("%s: status is %d, own page: %v", name, got.status, c.own)
		}
	}
	streamtest.Want(t, "status with a Referer", public.do(t, "GET", "/v1/notifications", host("up"), header("Referer", blog+"/x"), cookie(token(t, "ann"))).status, 200)

	for _, url := range []string{"blog.example", "ftp://blog.example", "https://", "https://user@blog.example", "/comments", "https://köln.example"} {
		cfg := unconnected(t)
		cfg.PublicURL = url
		if _, err := New(cfg); err == nil {
			t.Errorf("public URL %q is accepted", url)
		}
	}
}

// A development server gives tokens to all that ask, so it answers no page of another
// site that resolves its own name to 127.0.0.1.
func TestLocalOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.api.LocalOnly = true })

	for _, name := range []string{"localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"} {
		streamtest.Want(t, "status for "+name, r.do(t, "GET", "/healthz", host(name)).status, http.StatusOK)
	}
	for _, name := range []string{"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "192.0.2.1"} {
		for _, path := range []string{"/", "/healthz", "/v1/posts/a/comments", "/v1/nothing"} {
			r.do(t, "GET", path, host(name)).isProblem(t, 403, "forbidden_host")
		}
	}
}

// All answers of the API say that other sites may not frame or embed them.
func TestAnswersAreNotForOtherSites(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, route := range []string{"GET /v1/posts/a/comments", "GET /v1/posts/a", "GET /v1/nothing", "PATCH /v1/poll", "OPTIONS /v1/poll", "GET /v1/events?topic=post:a", "GET /v1/events", "GET /v1/poll?topic=post:a", "PUT /v1/posts/a/like"} {
		method, path := cut(route)
		got := r.do(t, method, path)
		streamtest.Want(t, "X-Frame-Options of "+route, got.header.Get("X-Frame-Options"), "DENY")
		streamtest.Want(t, "Cross-Origin-Resource-Policy of "+route, got.header.Get("Cross-Origin-Resource-Policy"), "same-origin")
	}
	p := <-r.later(t, "topic=post:a&cursor="+r.head(t)+"&wait=1")
	streamtest.Want(t, "X-Frame-Options of a poll that waited", p.header.Get("X-Frame-Options"), "DENY")
}
