package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/cmd/internal/verify"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// unwritten answers changes as if it had made them. It counts them by kind.
type unwritten struct {
	mu   sync.Mutex // guards done
	done map[string]int
}

// changesOverHTTP are the kinds of the report that unwritten answers, and those of pages and lists that events leave wrong.
var changesOverHTTP = []string{"likes", "likes of comments", "edits", "hidden or approved", "pins", "deletes", "pages", "notification lists"}

func (u *unwritten) count(kind string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done[kind]++
}

// enough reports whether each kind was answered a few times.
func (u *unwritten) enough() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, kind := range changesOverHTTP {
		if u.done[kind] < 3 {
			return false
		}
	}
	return true
}

// answer answers a change, and refuses another one that would undo it. It returns nil for all other
// requests.
func (u *unwritten) answer(r *http.Request) *http.Response {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last, ofComment := parts[len(parts)-1], len(parts) > 1 && parts[1] == "comments"
	kind, status, body := "", http.StatusOK, `{"version":2}`
	switch {
	case last == "like" && r.Method == http.MethodPut:
		kind, body = "likes", `{"count":1,"liked":true}`
		if ofComment {
			kind = "likes of comments"
		}
	case r.Method == http.MethodPatch && ofComment:
		var version int
		_, _ = fmt.Sscanf(r.Header.Get("If-Match"), `"%d"`, &version)
		kind, body = "edits", fmt.Sprintf(`{"version":%d}`, version+1)
	case last == "status" && !approves(r):
		kind = "hidden or approved"
	case last == "pin" && r.Method == http.MethodPut:
		kind = "pins"
	case r.Method == http.MethodDelete && len(parts) == 3 && ofComment:
		kind, status, body = "deletes", http.StatusNoContent, ""
	case last == "like" || last == "status" || last == "pin":
		return made(r, http.StatusForbidden, `{"code":"forbidden"}`)
	default:
		return nil
	}
	u.count(kind)
	return made(r, status, body)
}

// approves reports whether a request publishes a comment. It reads the body.
func approves(r *http.Request) bool {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	return strings.Contains(body.String(), "published")
}

// verify finds each kind of change that a server acknowledges and does not make, and pages
// and notifications that events leave other than lists.
func TestVerify_FindsChangesThatAreNotMade(t *testing.T) {
	t.Parallel()
	for _, withLog := range []bool{true, false} {
		t.Run(fmt.Sprintf("Log=%v", withLog), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			u := &unwritten{done: make(map[string]int)}
			x := &tamper{
				request: func(_ *tamper, r *http.Request) *http.Response { return u.answer(r) },
				events: func(*tamper) func(wireEvent) []wireEvent {
					return func(e wireEvent) []wireEvent {
						if e.Event == "new-comment" {
							e.Data = bytes.Replace(e.Data, []byte(`"likeCount":0`), []byte(`"likeCount":7`), 1)
							u.count("pages")
						}
						if e.Event == "notification" && bytes.Contains(e.Data, []byte(`"kind":"comment"`)) {
							e.Data = bytes.Replace(e.Data, []byte(`"readAt":null`), []byte(`"readAt":"2026-01-02T03:04:05.000000Z"`), 1)
							u.count("notification lists")
						}
						return []wireEvent{e}
					}
				},
			}
			cfg := verifyConfig(tampered(t, s.start(t, s.concurrent).url, x))
			kinds := slices.Clone(changesOverHTTP)
			if withLog {
				cfg.DatabaseURL = s.dsn
				s.exec(t, `
					create function public.keep_unread() returns trigger language plpgsql as $$ begin new.read_at := null; return new; end $$;
					create trigger site before update on tidings.notifications for each row execute function public.keep_unread()`)
				kinds = append(kinds, "marked read")
			} else { // lists do not say who likes a hidden comment
				kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == "likes of comments" })
			}
			cfg.Until = func(a verify.Activity) bool { return u.enough() && (!withLog || a.Changes["marked read"] > 0) }
			report, err := verify.Run(t.Context(), cfg)
			streamtest.Must(t, err)
			for _, kind := range kinds {
				if report.Decided[kind].Wrong == 0 {
					t.Errorf("no fault of the kind %q was found: %+v", kind, report.Decided)
				}
			}
			if report.Lost == 0 || report.Differing == 0 {
				t.Errorf("the faults are %+v", report.Faults)
			}
			t.Logf("answered %v", slices.Sorted(maps.Keys(u.done)))
		})
	}
}
