package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// An edit changes a request before it is sent.
type edit func(*http.Request)

// header sets a header.
func header(name string, values ...string) edit {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

// as signs a request for a user with roles, for an hour.
func as(t testing.TB, sub string, roles ...string) edit {
	t.Helper()
	return header("Authorization", "Bearer "+token(t, sub, roles...))
}

// sends gives the request a JSON body.
func sends(body string) edit {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// token is good for an hour.
func token(t testing.TB, sub string, roles ...string) string {
	t.Helper()
	return tokenUntil(t, time.Now().Add(time.Hour), sub, roles...)
}

func tokenUntil(t testing.TB, expires time.Time, sub string, roles ...string) string {
	t.Helper()
	name := strings.ToUpper(sub[:1]) + sub[1:]
	signed, err := auth.SignToken(secret, auth.Identity{Subject: sub, Name: name, Roles: roles, Expires: expires})
	streamtest.Must(t, err)
	return signed
}

// An answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes a request; the path is sent as it stands.
func (r *rig) request(t testing.TB, method, path string, edits ...edit) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.scheme+"://"+r.addr+path, nil)
	streamtest.Must(t, err)
	for _, e := range edits {
		e(req)
	}
	return req
}

// do sends a request and reads the whole answer, or the head of a stream.
func (r *rig) do(t testing.TB, method, path string, edits ...edit) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := r.client.Do(r.request(t, method, path, edits...).WithContext(ctx))
	streamtest.Must(t, err)
	defer res.Body.Close()
	if res.Header.Get("Content-Type") == "text/event-stream" {
		return answer{res.StatusCode, res.Header, "(a stream)"}
	}
	body, err := io.ReadAll(res.Body)
	streamtest.Must(t, err)
	return answer{res.StatusCode, res.Header, string(body)}
}

// wants checks the status, and that the body is equal to this JSON. A "*" in it matches
// any string, for values that differ in each run.
func (a answer) wants(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status is %d, want %d: %s", a.status, status, a.body)
		return
	}
	streamtest.Want(t, "Content-Type", a.header.Get("Content-Type"), "application/json")
	wantJSON(t, a.body, body)
}

// wantJSON checks that a text is equal to this JSON. A "*" in it matches any string.
func wantJSON(t testing.TB, text, body string) {
	t.Helper()
	var got, wanted any
	streamtest.Must(t, json.Unmarshal([]byte(text), &got))
	streamtest.Must(t, json.Unmarshal([]byte(body), &wanted))
	if path := differ(got, wanted, "$"); path != "" {
		t.Errorf("%s of\n%s\nis not as in\n%s", path, text, body)
	}
}

// differ is the path of the first difference.
func differ(got, want any, path string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return path
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				return path + "." + name
			}
			if p := differ(g[name], w[name], path+"."+name); p != "" {
				return p
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return path
		}
		for i := range w {
			if p := differ(g[i], w[i], path+"[]"); p != "" {
				return p
			}
		}
		return ""
	}
	if _, text := got.(string); got != want && (want != "*" || !text) {
		return path
	}
	return ""
}

// isProblem checks everything that each problem has, and returns it.
func (a answer) isProblem(t testing.TB, status int, code string) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Code != code {
		t.Errorf("got %d %q, want %d %s", a.status, a.body, status, code)
		return p
	}
	streamtest.Want(t, "Content-Type", a.header.Get("Content-Type"), "application/problem+json")
	streamtest.Want(t, "Cache-Control", a.header.Get("Cache-Control"), "no-store")
	streamtest.Want(t, "X-Content-Type-Options", a.header.Get("X-Content-Type-Options"), "nosniff")
	streamtest.Want(t, "status member", p.Status, status)
	streamtest.Want(t, "type", p.Type, problemDocs+code)
	if id := a.header.Get("X-Request-Id"); p.RequestID != id || id == "" || p.Title == "" || !strings.HasPrefix(p.Instance, "/") {
		t.Errorf("requestId, title or instance is wrong: %s", a.body)
	}
	later := status == 429 || status == 503 || code == "idempotency_key_in_flight"
	streamtest.Want(t, "Retry-After is there", a.header.Get("Retry-After") != "", later)
	streamtest.Want(t, "WWW-Authenticate is there", a.header.Get("WWW-Authenticate") != "", status == 401)
	return p
}

// logs keeps what was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
