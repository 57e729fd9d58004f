package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A request whose answer is lost is sent again, and what it asks for is done once. So is one that
// the server is too busy for. A refusal is a Problem with its members, after one request.
func clientRepeatsRequests(t *testing.T, s *site, srv *server) {
	f := newFront(t, srv)
	var lose atomic.Int64 // how many answers are lost from now on
	spoiled := func(w http.ResponseWriter, r *http.Request) bool {
		if lose.Add(-1) < 0 {
			return false
		}
		if r.Method == http.MethodGet {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		forward := r.Clone(t.Context())
		forward.RequestURI, forward.URL.Scheme, forward.URL.Host = "", "http", strings.TrimPrefix(srv.url, "http://")
		answer, err := srv.http.Do(forward)
		if err == nil {
			answer.Body.Close()
		}
		panic(http.ErrAbortHandler)
	}
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&spoiled))
	signed := token(t, auth.Identity{Subject: "ann", Name: "Ann", Expires: time.Now().Add(time.Hour)})
	p := newProfile(t).open(f.page(reader(fmt.Sprintf(`token: '%s'`, signed)))).forgive(`Failed to load`)
	p.await("the client is there", `window.t !== undefined`)

	call := func(lost int64, expression string) string {
		t.Helper()
		lose.Store(lost)
		return eval[string](p, expression+`.then((answer) => JSON.stringify(answer), (problem) => 'problem ' + problem.code)`)
	}
	id := call(2, `t.postComment('/a/?p=1%20', { body: 'Hello' }).then(({ id }) => id)`)
	streamtest.Want(t, "comments", value[string](t, s, `select string_agg(post_id || ' ' || body, ',') from tidings.comments where author_id = 'ann'`), "/a/?p=1%20 Hello")
	streamtest.Want(t, "version after the edit", call(1, `t.edit(`+id+`, 'Hi', { version: 1 }).then(({ version }) => version)`), "2")
	streamtest.Want(t, "edit of an old version", call(0, `t.edit(`+id+`, 'Ho', { version: 1 })`), "problem version_mismatch")
	streamtest.Want(t, "like", call(1, `t.like('/a/?p=1%20')`), `{"count":1,"liked":true}`)
	streamtest.Want(t, "comments of the list", call(2, `t.comments('/a/?p=1%20').then(({ data }) => data.map(({ body }) => body))`), `["Hi"]`)
	p.run(`window.m = new t.constructor({ token: '` + staff(t, "mia", auth.RoleModerator) + `' })`)
	streamtest.Want(t, "status of a version", call(1, `m.setStatus(`+id+`, 'spam', { version: 2 }).then(({ status, version }) => status + version)`), `"spam3"`)
	streamtest.Want(t, "status of an old version", call(0, `m.setStatus(`+id+`, 'published', { version: 2 })`), "problem version_mismatch")
	streamtest.Want(t, "pin of an old version", call(0, `m.pin(`+id+`, true, { version: 2 })`), "problem version_mismatch")
	streamtest.Want(t, "delete", call(1, `t.delete(`+id+`)`), "null")
	before := f.requests.Load()
	streamtest.Want(t, "another's moderation", call(0, `t.setStatus(`+id+`, 'spam')`), "problem forbidden")
	streamtest.Want(t, "requests of a refusal", f.requests.Load()-before, 1)
	streamtest.Want(t, "a call that the page has aborted", call(0, `t.comments('1', { signal: AbortSignal.abort() }).catch(({ name }) => name)`), `"AbortError"`)
}
