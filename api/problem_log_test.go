package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// wantLogged checks that one line of the log has the id of a request, and that the line has
// each of the parts.
func (r *rig) wantLogged(t *testing.T, requestID string, parts ...string) {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(r.logs.String(), "\n"), func(line string) bool {
		return !strings.Contains(line, "request_id="+requestID)
	})
	if len(lines) != 1 || requestID == "" {
		t.Errorf("request %q has the lines %q, want one", requestID, lines)
		return
	}
	for _, part := range parts {
		if !strings.Contains(lines[0], part) {
			t.Errorf("the line %q lacks %q", lines[0], part)
		}
	}
}

// The requestId of a problem finds one line of the log, with the cause: the SQLSTATE and the
// message of Postgres, if it has refused.
func TestProblems_AreLogged(t *testing.T) {
	t.Parallel()
	ann, shop := as(t, "ann"), as(t, "shop", "service")

	t.Run("ReadOnlyDatabase", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.exec(t, `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
		r.exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'tidings%'`)
		streamtest.Eventually(t, "sessions are read-only", func() bool {
			got := r.do(t, "PUT", "/v1/posts/1/like", ann) // also 503 over a connection that was ended
			return got.status == http.StatusServiceUnavailable && strings.Contains(got.body, readOnlyDetail)
		})
		for _, write := range []struct{ method, path, body string }{
			{"POST", "/v1/posts/1/comments", `{"body":"Hello"}`}, {"PUT", "/v1/posts/1/like", ""}, {"DELETE", "/v1/posts/1/like", ""},
			{"PUT", "/v1/posts/1", `{"title":"A"}`}, {"POST", "/v1/publish", `{"topic":"post:1","event":"n","data":1}`},
			{"POST", "/v1/ticket", `{"topics":["post:1"]}`},
		} {
			got := r.do(t, write.method, write.path, shop, sends(write.body))
			if write.method == "DELETE" && got.status == http.StatusOK { // there is no like to delete
				continue
			}
			p := got.isProblem(t, http.StatusServiceUnavailable, "unavailable")
			streamtest.Want(t, "the detail", p.Detail, readOnlyDetail)
			r.wantLogged(t, p.RequestID, "level=WARN", "sqlstate=25006", "read-only transaction")
		}
		streamtest.Eventually(t, "readyz tells why there are no writes", func() bool {
			got := r.do(t, "GET", "/readyz")
			return got.status == http.StatusOK && strings.Contains(got.body, `"writes":"`+readOnlyDetail+`"`)
		})
	})

	t.Run("MissingTable", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.exec(t, `alter table tidings.posts rename to moved`)
		p := r.do(t, "GET", "/v1/posts/1").isProblem(t, http.StatusInternalServerError, "internal")
		r.wantLogged(t, p.RequestID, "level=ERROR", "sqlstate=42P01", "tidings.posts")
	})

	t.Run("LockedRow", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.exec(t, `insert into tidings.posts (id) values ('1')`)
		tx, err := r.sql.Begin(t.Context())
		streamtest.Must(t, err)
		_, err = tx.Exec(t.Context(), `select from tidings.posts where id = '1' for update`)
		streamtest.Must(t, err)
		p := r.do(t, "PUT", "/v1/posts/1", shop, sends(`{"title":"A"}`)).isProblem(t, http.StatusServiceUnavailable, "unavailable")
		r.wantLogged(t, p.RequestID, "level=WARN", "too busy to write")
		streamtest.Must(t, tx.Rollback(t.Context()))
	})

	t.Run("Stopping", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.Drain()
		for _, path := range []string{"/readyz", "/v1/events?topic=post:1", "/v1/poll?topic=post:1"} {
			p := r.do(t, "GET", path).isProblem(t, http.StatusServiceUnavailable, "unavailable")
			r.wantLogged(t, p.RequestID, "level=WARN", "stopping")
		}
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for path, status := range map[string]int{"/v1/posts/nothing": 404, "/v1/poll?topic=x": 400, "/nothing": 404, "/v1/notifications": 401} {
			got := r.do(t, "GET", path)
			streamtest.Want(t, "status of "+path, got.status, status)
			r.wantLogged(t, got.header.Get("X-Request-Id"), "level=DEBUG")
		}
	})
}
