package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// next returns the cursor of the page after the first one.
func (r *rig) next(t *testing.T, path string, edits ...edit) string {
	t.Helper()
	var list listed
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", path, edits...).body), &list))
	if list.Page.Next == "" {
		t.Fatalf("%s has no other page", path)
	}
	return list.Page.Next
}

// A page goes on in its own list only: with the same post, sort and filter.
func TestLists_RefuseTheCursorsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mia := as(t, "mia", auth.RoleModerator)
	r.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
		select n + p * 100, 'p' || p, nullif(greatest(n - 1, 0) / 5 * (p * 100 + 1), 0), 'ann', 'x',
			case when p < 3 then 'published' when n % 2 = 0 then 'spam' else 'pending' end
		from generate_series(1, 9) as n, generate_series(1, 3) as p`)
	r.exec(t, `update tidings.comments set pinned_at = now() where id in (101, 102, 201, 202)`)
	var lists []string
	for _, post := range []string{"p1", "p2"} {
		for _, query := range []string{"sort=newest", "sort=oldest", "sort=top", "flat=1", "flat=1&sort=oldest"} {
			lists = append(lists, "/v1/posts/"+post+"/comments?limit=1&"+query)
		}
	}
	lists = append(lists, "/v1/comments/101/replies?limit=1", "/v1/comments/201/replies?limit=1",
		"/v1/moderation?limit=1&status=pending", "/v1/moderation?limit=1&status=spam")
	for _, from := range lists {
		after := "&after=" + url.QueryEscape(r.next(t, from, mia))
		for _, list := range lists {
			got := r.do(t, "GET", list+after, mia)
			switch {
			case list == from && got.status != http.StatusOK:
				t.Errorf("%s refuses its own cursor: %s", list, got.body)
			case list != from && (got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":"malformed"`)):
				t.Errorf("%s takes the cursor of %s: %s", list, from, got.body)
			}
		}
	}
}

// rows returns how many rows each table has, and the comments with their versions.
func (r *rig) rows(t *testing.T) string {
	t.Helper()
	var text string
	streamtest.Must(t, r.sql.QueryRow(t.Context(), `
		select concat_ws(' ',
			(select count(*) from tidings.posts), (select count(*) from tidings.comments), (select count(*) from tidings.events),
			(select count(*) from tidings.counts), (select count(*) from tidings.revisions), (select count(*) from tidings.notifications),
			(select count(*) from tidings.idempotency), (select count(*) from tidings.pending), (select count(*) from tidings.tombstones),
			(select string_agg(concat_ws(' ', id, status, version, pinned_at, body), ', ' order by id) from tidings.comments))`).Scan(&text))
	return text
}

// Each request gets a problem, and no row of it stays.
func TestRefusedRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, status) values
			(1, '42', null, 'ann', 'x', 'published'), (2, '42', 1, 'ann', 'x', 'published'), (3, '42', null, 'ann', 'x', 'spam'),
			(4, '42', null, 'ann', 'x', 'published'), (5, '42', 4, 'bob', 'x', 'published'), (6, '43', null, 'ann', 'x', 'published'),
			(7, '42', null, 'ann', 'x', 'published')`)
	r.exec(t, `update tidings.comments set status = 'deleted' where id in (4, 7)`)
	r.exec(t, `select setval('tidings.comments_id_seq', 100)`)
	r.write(t, "42", "ann", `{"body":"x"}`) // stores her name
	ann, mia := as(t, "ann"), as(t, "mia", auth.RoleModerator)
	const list, one = "/v1/posts/42/comments", "/v1/comments/1"
	mentions := `["` + strings.Repeat(`u","`, 9_999) + `u"]`
	type request struct {
		method, path, body string
		who                edit
		status             int
		code               string
	}
	requests := []request{
		{"POST", list, `{"body":"x","parentId":"6"}`, ann, 422, "no_parent"},  // on another post
		{"POST", list, `{"body":"x","parentId":"3"}`, ann, 422, "no_parent"},  // hidden
		{"POST", list, `{"body":"x","parentId":"4"}`, ann, 422, "no_parent"},  // deleted, a tombstone
		{"POST", list, `{"body":"x","parentId":"7"}`, ann, 422, "no_parent"},  // deleted
		{"POST", list, `{"body":"x","parentId":"99"}`, ann, 422, "no_parent"}, // not there
		{"POST", list, `{"body":"x","parentId":"x"}`, ann, 422, "no_parent"},
		{"POST", list, `{"body":"x","parentId":1}`, ann, 400, "malformed"},
		{"POST", "/v1/posts/new/comments", `{"body":"x","parentId":"1"}`, ann, 422, "no_parent"},
		{"POST", list, `{"body":"x","rootId":"1"}`, ann, 422, "unknown_field"},
		{"POST", list, `{"body":"x","mentions":` + mentions + `}`, ann, 422, "invalid"},
		{"PATCH", one, `{"mentions":` + mentions + `}`, ann, 422, "invalid"},
		{"PATCH", one, `{"body":"y","status":"spam"}`, mia, 422, "unknown_field"},
		{"PATCH", "/v1/comments/3", `{"body":"y"}`, ann, 404, "not_found"},
		{"PATCH", "/v1/comments/4", `{"body":"y"}`, mia, 404, "not_found"},
		{"PUT", one + "/status", `{"status":"gone"}`, mia, 422, "invalid"},
		{"PUT", one + "/status", `{"status":"spam","by":"x"}`, mia, 422, "unknown_field"},
		{"PUT", "/v1/comments/2/pin", ``, mia, 422, "invalid"},
		{"PUT", one + "/pin", `{"pinned":true}`, mia, 422, "unknown_field"},
		{"DELETE", one + "/pin", `{"pinned":true}`, mia, 422, "unknown_field"},
		{"DELETE", one, `{"status":"spam"}`, mia, 422, "unknown_field"},
	}
	for _, body := range []string{``, ` `, `\n\t`, `\u200b`, `\u2060\ufeff`, `\u0000`, `\u202e`, strings.Repeat("x", 5001)} {
		requests = append(requests,
			request{"POST", list, `{"body":"` + body + `"}`, ann, 422, "invalid"},
			request{"PATCH", one, `{"body":"` + body + `"}`, ann, 422, "invalid"},
			request{"PATCH", one, `{"body":"` + body + `"}`, mia, 422, "invalid"})
	}
	for _, query := range []string{
		"sort=best", "sort=Top", "sort=newest&sort=oldest", "flat=2", "flat=", "flat=1&sort=top", "flat=1&flat=1",
		"limit=0", "limit=101", "limit=x", "after=x", "after=%00", "after=" + strings.Repeat("a", 10_000),
	} {
		requests = append(requests, request{"GET", list + "?" + query, ``, ann, 400, "malformed"})
	}
	for _, match := range []string{`1`, `W/"1"`, `""`, `"x"`, `"0"`, `"1", "2"`, `*, "1"`} {
		requests = append(requests, request{"PATCH", one, `{"body":"y"}` + "\x00" + match, ann, 400, "malformed"})
	}
	before := r.rows(t)
	for i, c := range requests {
		body, match, conditional := strings.Cut(c.body, "\x00")
		edits := []edit{c.who}
		if body != "" {
			edits = append(edits, sends(body))
		}
		if conditional {
			edits = append(edits, header("If-Match", match))
		}
		if c.method == "POST" {
			edits = append(edits, header("Idempotency-Key", fmt.Sprint("key-", i)))
		}
		got := r.do(t, c.method, c.path, edits...)
		got.isProblem(t, c.status, c.code)
		if after := r.rows(t); after != before {
			t.Fatalf("%s %s %.60s: rows are\n%s, before\n%s", c.method, c.path, c.body, after, before)
		}
	}
}
