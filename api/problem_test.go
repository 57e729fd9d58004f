package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestEveryErrorIsAProblem(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) {
		s.before = func(s *Server) {
			s.echo.GET("/v1/panic", func(echo.Context) error { panic("secret of the house") })
			s.echo.GET("/v1/panic/known", func(echo.Context) error { panic(store.ErrNotFound) })
			s.echo.GET("/v1/failure", func(echo.Context) error { return errors.New("secret of the house") })
		}
	})
	ann, bot := as(t, "ann"), as(t, "bot", auth.RoleService)

	t.Run("OfTheRouter", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/nothing", "/v1", "/v1/", "/v1/nothing", "/v1/posts", "/v1/posts/a/b", "/v1/posts/a/comments/", "/v2/posts/a", "//v1/events", "/v1/%65vents", "/demo/config"} {
			r.do(t, "GET", path).isProblem(t, 404, "not_found")
		}
		for _, route := range []string{"POST /v1/posts/a", "POST /v1/comments/1", "GET /v1/publish", "DELETE /v1/counts", "PUT /healthz", "POST /v1/poll"} {
			method, path, _ := strings.Cut(route, " ")
			got := r.do(t, method, path)
			got.isProblem(t, 405, "method_not_allowed")
			if got.header.Get("Allow") == "" {
				t.Errorf("%s has no Allow", route)
			}
		}
	})
	t.Run("OfABody", func(t *testing.T) {
		t.Parallel()
		for body, code := range map[string]string{
			``: "malformed", `{`: "malformed", `[]`: "malformed", `"x"`: "malformed", `1`: "malformed", `{"body":"x"}{}`: "malformed",
			`{"body":"x"} x`: "malformed", `{"body":1}`: "malformed", `{"body":["x"]}`: "malformed", `{"body":"x","parentId":7}`: "malformed",
			`{'body':'x'}`: "malformed", "{\"body\":\"\x01\"}": "malformed", strings.Repeat("[", 20_000): "malformed",
			`null`: "malformed", `{}`: "invalid", `{"body":""}`: "invalid", `{"body":" \n\t "}`: "invalid", `{"body":"\u0000"}`: "invalid",
			`{"body":"` + strings.Repeat("é", 5001) + `"}`: "invalid",
			`{"body":"x","parentId":"7"}`:                  "no_parent", `{"body":"x","parentId":"seven"}`: "no_parent", `{"body":"x","parentId":""}`: "no_parent",
		} {
			status := map[string]int{"malformed": 400, "invalid": 422, "no_parent": 422}[code]
			p := r.do(t, "POST", "/v1/posts/a/comments", ann, sends(body)).isProblem(t, status, code)
			if strings.Contains(p.Detail, "struct") || strings.Contains(p.Detail, "tidings.") || strings.Contains(p.Detail, "relation") {
				t.Errorf("%.40q tells how the server is made: %s", body, p.Detail)
			}
		}
		for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json, text/plain", ";"} {
			r.do(t, "POST", "/v1/posts/a/comments", ann, sends(`{"body":"x"}`), header("Content-Type", media)).
				isProblem(t, 415, "unsupported_media_type")
		}
		got := r.do(t, "POST", "/v1/posts/a/comments", ann, sends(`{"body":"x"}`+"\n "), header("Content-Type", "Application/JSON; charset=utf-8"))
		streamtest.Want(t, "status", got.status, http.StatusCreated)
	})
	t.Run("OfASize", func(t *testing.T) {
		t.Parallel()
		const limit = 64 << 10
		padded := func(n int) edit { // spaces before and after count, too
			body := `{"body":"x"}`
			return sends(strings.Repeat(" ", (n-len(body))/2) + body + strings.Repeat(" ", (n-len(body)+1)/2))
		}
		chunked := func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(r.Body) }
		streamtest.Want(t, "status at the limit", r.do(t, "POST", "/v1/posts/a/comments", ann, padded(limit)).status, http.StatusCreated)
		r.do(t, "POST", "/v1/posts/a/comments", ann, padded(limit+1)).isProblem(t, 413, "too_large")
		r.do(t, "POST", "/v1/posts/a/comments", ann, padded(limit+1), chunked).isProblem(t, 413, "too_large")
		r.do(t, "POST", "/v1/posts/a/comments", ann, sends(`{"body":"`+strings.Repeat("x", limit)+`"}`)).isProblem(t, 413, "too_large")
	})
	t.Run("OfAPanic", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/v1/panic", "/v1/panic/known", "/v1/failure"} {
			got := r.do(t, "GET", path, origin(page))
			p := got.isProblem(t, 500, "internal")
			got.wantCORS(t, page)
			if strings.Contains(got.body, "secret of the house") {
				t.Errorf("%s tells its reason: %s", path, got.body)
			}
			lines := slices.DeleteFunc(strings.Split(r.logs.String(), "\n"), func(line string) bool {
				return !strings.Contains(line, "request_id="+p.RequestID)
			})
			if len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") {
				t.Errorf("%s is logged as %q", path, lines)
			}
			if strings.Contains(path, "panic") && !strings.Contains(lines[0], "problem_test.go") {
				t.Errorf("%s is logged without a stack: %q", path, lines)
			}
		}
	})
	t.Run("OfHEADHasNoBody", func(t *testing.T) {
		t.Parallel()
		w := r.dial(t)
		w.ask("HEAD /v1/posts/nothing HTTP/1.1", "Connection: close")
		status, got := w.head()
		streamtest.Want(t, "status line", status, "HTTP/1.1 404 Not Found")
		streamtest.Want(t, "Content-Type", got.Get("Content-Type"), "application/problem+json")
		w.closed()
	})
	t.Run("OfAValueThatTheSchemaRefuses", func(t *testing.T) {
		t.Parallel()
		for body, detail := range map[string]string{
			`{"title":"` + strings.Repeat("x", 501) + `"}`: "it breaks the rule posts_title_length",
			`{"url":"` + strings.Repeat("x", 2001) + `"}`:  "it breaks the rule posts_url_length",
			`{"authorId":"no id"}`:                         "it breaks the rule posts_author_grammar",
		} {
			p := r.do(t, "PUT", "/v1/posts/a", bot, sends(body)).isProblem(t, 422, "invalid")
			streamtest.Want(t, "detail", p.Detail, detail)
		}
	})
}

// Without its database the server answers the problem unavailable. It recovers when the
// database is back.
func TestDatabaseIsDown(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	dsn := server.DSN("tidings")
	streamtest.Must(t, migrations.Up(t.Context(), dsn, (&logs{}).logger()))
	r := newRig(t, func(s *setup) { s.url = dsn })
	ann := as(t, "ann")
	cursor := r.head(t)
	open := r.follow(t, "topic=post:a&cursor="+cursor)
	open.event("stream.ready")
	streamtest.Must(t, server.Crash(t.Context()))

	streamtest.Eventually(t, "readyz answers 503", func() bool { return r.do(t, "GET", "/readyz").status == 503 })
	for _, route := range []string{
		"GET /readyz", "GET /v1/posts/a", "GET /v1/posts/a/comments", "GET /v1/counts?post=a", "GET /v1/notifications",
		"PUT /v1/posts/a/like", "DELETE /v1/posts/a/like", "DELETE /v1/comments/1", "POST /v1/posts/a/typing", "GET /v1/events?topic=post:a&ticket=x",
		"GET /v1/poll?topic=post:a&cursor=1-99",
	} {
		method, path, _ := strings.Cut(route, " ")
		r.do(t, method, path, ann).isProblem(t, 503, "unavailable")
	}
	r.do(t, "POST", "/v1/posts/a/comments", ann, sends(`{"body":"x"}`)).isProblem(t, 503, "unavailable")
	r.do(t, "POST", "/v1/ticket", ann, sends(`{"topics":["post:a"]}`)).isProblem(t, 503, "unavailable")
	r.do(t, "POST", "/v1/publish", as(t, "bot", auth.RoleService), sends(`{"topic":"post:a","event":"x","data":1}`)).isProblem(t, 503, "unavailable")
	streamtest.Eventually(t, "the metric of the NOTIFY queue disappears", func() bool {
		_, there := r.scrape(t)["tidings_notify_queue_usage_ratio"]
		return !there
	})
	streamtest.Want(t, "status of healthz", r.do(t, "GET", "/healthz").status, 200)
	r.follow(t, "topic=post:a&cursor="+cursor).event("stream.ready") // what is in memory is still told

	streamtest.Must(t, server.Restart(t.Context()))
	streamtest.Eventually(t, "readyz answers 200", func() bool { return r.do(t, "GET", "/readyz").status == 200 })
	streamtest.Want(t, "status", r.do(t, "POST", "/v1/posts/a/comments", ann, sends(`{"body":"x"}`)).status, 201)
	open.event("new-comment") // on the stream that was open all along
}

// Each code has its section in the documentation, and each section its code.
func TestProblemsAreDocumented(t *testing.T) {
	t.Parallel()

	found := func(file, pattern string) []string {
		text, err := os.ReadFile(file)
		streamtest.Must(t, err)
		var all []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			all = append(all, match[1])
		}
		return all
	}
	codes := found("problem.go", `Code: +"(\w+)"`)
	if len(codes) < 20 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	streamtest.Want(t, "sections of docs/problems.md", found("../docs/problems.md", `(?m)^## (.+)$`), codes)
	for _, k := range known {
		if !slices.Contains(codes, k.problem.Code) {
			t.Errorf("%v has the unknown code %s", k.err, k.problem.Code)
		}
		streamtest.Want(t, "code of a wrapped error", problemOf(fmt.Errorf("act: %w", k.err)).Code, k.problem.Code)
	}
}
