package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// foreign are origins that are not allowed, though some are similar to an allowed one.
var foreign = []string{
	"https://evil.example", "null", "NULL", "https://app.example.evil", "https://evil-app.example", "https://app.example@evil.example",
	"https://xapp.example", "https://app.exampl", "https://app.example:8443", "http://app.example", "https://app.example/", "HTTPS://APP.EXAMPLE",
	"https://APP.example", "https://sub.app.example", "https://app.example,https://evil.example", "https://app.example https://evil.example",
	"file://", "*", "https://*", "app.example", "//app.example", "https://" + strings.Repeat("a", 10<<10) + ".example",
}

func cookie(value string) edit { return header("Cookie", auth.CookieName+"="+value) }
func origin(value string) edit { return header("Origin", value) }
func site(value string) edit   { return header("Sec-Fetch-Site", value) }

// wantCORS checks that the CORS headers allow this origin; "" means that they are absent.
func (a answer) wantCORS(t *testing.T, origin string) {
	t.Helper()
	credentials := ""
	if origin != "" {
		credentials = "true"
	}
	streamtest.Want(t, "Access-Control-Allow-Origin", a.header.Get("Access-Control-Allow-Origin"), origin)
	streamtest.Want(t, "Access-Control-Allow-Credentials", a.header.Get("Access-Control-Allow-Credentials"), credentials)
	streamtest.Want(t, "Access-Control-Expose-Headers is there", a.header.Get("Access-Control-Expose-Headers") != "", origin != "")
	streamtest.Want(t, "Vary", strings.Join(a.header.Values("Vary"), ","), "Origin")
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own := "http://" + r.addr

	t.Run("AllowedOnesReadEverything", func(t *testing.T) {
		t.Parallel()
		for path, status := range map[string]int{
			"/v1/posts/a/comments": 200, "/v1/posts/a": 404, "/v1/nothing": 404, "/v1/notifications": 401, "/v1/poll": 400,
		} {
			got := r.do(t, "GET", path, origin(page))
			streamtest.Want(t, "status", got.status, status)
			got.wantCORS(t, page)
		}
		got := r.do(t, "PATCH", "/v1/posts/a", origin(page))
		got.isProblem(t, 405, "method_not_allowed")
		got.wantCORS(t, page)
		s := r.follow(t, "topic=post:a", origin(page))
		answer{header: s.header}.wantCORS(t, page)
	})
	t.Run("NoOriginIsAllowed", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "GET", "/v1/posts/a/comments", as(t, "ann"))
		streamtest.Want(t, "status", got.status, 200)
		got.wantCORS(t, "")
	})
	t.Run("OurOwnPageIsAllowed", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "POST", "/v1/posts/a/typing", as(t, "ann"), origin(own))
		streamtest.Want(t, "status", got.status, http.StatusNoContent)
		got.wantCORS(t, "")
	})
	t.Run("OthersAreRefusedBeforeTheHandlerRuns", func(t *testing.T) {
		t.Parallel()
		for _, from := range foreign {
			for _, path := range []string{"/v1/events?topic=post:a", "/v1/poll?topic=post:a", "/v1/posts/a/comments", "/v1/nothing"} {
				got := r.do(t, "GET", path, origin(from), as(t, "ann"), site("cross-site"))
				got.isProblem(t, 403, "forbidden_origin")
				got.wantCORS(t, "")
			}
			r.do(t, "PUT", "/v1/posts/a/like", origin(from), as(t, "ann")).isProblem(t, 403, "forbidden_origin")
		}
		r.do(t, "GET", "/v1/posts/a").isProblem(t, 404, "not_found") // no like has made it
	})
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ask := func(path, from string) answer {
		t.Helper()
		return r.do(t, "OPTIONS", path, origin(from), header("Access-Control-Request-Method", "BREW"),
			header("Access-Control-Request-Headers", "authorization, x-anything"))
	}

	for _, path := range []string{"/v1/events", "/v1/poll", "/v1/posts/a/comments", "/v1/nothing"} {
		got := ask(path, page)
		streamtest.Want(t, "status", got.status, http.StatusNoContent)
		got.wantCORS(t, page)
		streamtest.Want(t, "Max-Age", got.header.Get("Access-Control-Max-Age"), "7200")
		for _, name := range []string{"Authorization", "Last-Event-ID", "Cache-Control", "Prefer", "Content-Type", "x-anything"} {
			if !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("Allow-Headers lacks %s", name)
			}
		}
		if all := strings.Join(got.header.Values("Access-Control-Allow-Methods"), ""); !strings.Contains(all, "GET") || strings.ContainsAny(all, "*") {
			t.Errorf("Allow-Methods is %q", all)
		}
	}
	for _, from := range foreign {
		got := ask("/v1/events", from)
		streamtest.Want(t, "status", got.status, http.StatusNoContent)
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("preflight of %.40s has %s", from, name)
			}
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ann, own := token(t, "ann"), "http://"+r.addr
	const mine = "/v1/notifications"

	t.Run("CountsFromTrustedPages", func(t *testing.T) {
		t.Parallel()
		for _, edits := range [][]edit{
			{origin(page)}, {origin(page), site("cross-site")}, {origin(page), site("same-site")},
			{site("same-origin")}, {site("same-origin"), origin(own)},
			{origin(own)}, {header("Referer", own+"/blog/1?x")}, // over plain HTTP browsers send no Sec-Fetch-Site
			// Whatever a proxy has made of the host, the browser says that the page is ours.
			{site("same-origin"), origin("https://blog.example")}, {site("same-origin"), header("Referer", "https://blog.example/")},
		} {
			streamtest.Want(t, "status", r.do(t, "GET", mine, append(edits, cookie(ann))...).status, 200)
			s := r.follow(t, "topic=me", append(edits, cookie(ann))...)
			s.event("stream.ready")
		}
	})
	t.Run("CountsFromNoOther", func(t *testing.T) {
		t.Parallel()
		cases := [][]edit{
			{}, {site("none")}, {site("cross-site")}, {site("same-site")}, {site("Same-Origin")}, {site("same-origin,cross-site")}, {origin("")},
			{site("cross-site"), header("Referer", own+"/")}, {header("Referer", "https://evil.example/"+own)}, {header("Referer", own+".evil.example/")},
			{header("Referer", "https://app.example@evil.example/")}, {header("Referer", "http://"+r.addr+"@evil.example/")},
		}
		for _, edits := range cases { // it is as if the cookie were not there
			edits = append(edits, cookie(ann))
			for path, code := range map[string]string{
				"/v1/posts/a/comments": "", "/v1/poll?topic=post:a": "", "/v1/events?topic=post:a": "", "/v1/counts?post=a": "",
				mine: "unauthenticated", "/v1/events?topic=me": "unauthenticated", "/v1/poll?topic=post:a&topic=me": "unauthenticated",
			} {
				got := r.do(t, "GET", path, edits...)
				if code == "" {
					streamtest.Want(t, "status of "+path, got.status, http.StatusOK)
					continue
				}
				got.isProblem(t, 401, code)
			}
			p := r.do(t, "PUT", "/v1/posts/a/like", edits...).isProblem(t, 401, "unauthenticated")
			streamtest.Want(t, "the cookie is named", strings.Contains(p.Detail, "the cookie was not used"), true)
		}
		r.do(t, "PUT", "/v1/posts/a/like", header("Referer", own+"/"), cookie(ann)).isProblem(t, 401, "unauthenticated")
		r.do(t, "PUT", "/v1/posts/a/like", origin(own), site("cross-site"), cookie(ann)).isProblem(t, 403, "forbidden_origin")
		for _, from := range foreign {
			for _, edits := range [][]edit{{origin(from)}, {origin(from), site("same-site")}, {origin(from), site("cross-site")}} {
				for _, route := range []string{"GET " + mine, "GET /v1/events?topic=post:a", "PUT /v1/posts/a/like"} {
					method, path, _ := strings.Cut(route, " ")
					got := r.do(t, method, path, append(edits, cookie(ann))...)
					got.isProblem(t, 403, "forbidden_origin")
					got.wantCORS(t, "")
				}
			}
		}
		r.do(t, "GET", "/v1/posts/a").isProblem(t, 404, "not_found") // no like has made it
	})
	t.Run("IsNotEnoughForAForm", func(t *testing.T) {
		t.Parallel()
		form := header("Content-Type", "application/x-www-form-urlencoded")
		bot := cookie(token(t, "bot", auth.RoleService))
		r.do(t, "POST", "/v1/publish", form, bot).isProblem(t, 401, "unauthenticated")
		r.do(t, "POST", "/v1/publish", form, bot, origin("https://evil.example")).isProblem(t, 403, "forbidden_origin")
		r.do(t, "POST", "/v1/publish", header("Content-Type", "text/plain"), bot, origin(page)).isProblem(t, 415, "unsupported_media_type")
	})
	t.Run("GivesWayToTheHeader", func(t *testing.T) {
		t.Parallel()
		streamtest.Want(t, "status", r.do(t, "GET", mine, as(t, "ann"), cookie("rubbish")).status, 200)
		streamtest.Want(t, "status", r.do(t, "GET", "/v1/events?topic=user:ann", as(t, "bob"), cookie(ann), origin(page)).status, 403)
		r.do(t, "GET", mine, header("Authorization", "Bearer rubbish"), cookie(ann), origin(page)).isProblem(t, 401, "invalid_token")
	})
	t.Run("IsVerified", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "GET", mine, cookie("rubbish"), origin(page))
		streamtest.Want(t, "reason", got.isProblem(t, 401, "unauthenticated").Reason, "malformed")
		got.wantCORS(t, page)
		for name, bad := range map[string]string{"malformed": "rubbish", "expired": tokenUntil(t, time.Now().Add(-time.Hour), "ann")} {
			for _, path := range []string{"/v1/posts/a/comments", "/v1/events?topic=post:a", "/v1/poll?topic=post:a"} {
				streamtest.Want(t, "status of "+path, r.do(t, "GET", path, cookie(bad), origin(page)).status, http.StatusOK)
			}
			streamtest.Want(t, "reason", r.do(t, "PUT", "/v1/posts/b/like", cookie(bad), origin(page)).isProblem(t, 401, "unauthenticated").Reason, name)
			two := header("Cookie", auth.CookieName+"="+bad+"; "+auth.CookieName+"="+ann) // of two paths
			streamtest.Want(t, "status of two cookies", r.do(t, "GET", mine, two, origin(page)).status, http.StatusOK)
		}
		r.do(t, "GET", mine, cookie(""), origin(page)).isProblem(t, 401, "unauthenticated")
		r.do(t, "GET", mine, header("Cookie", "other="+ann), origin(page)).isProblem(t, 401, "unauthenticated")
	})
}
