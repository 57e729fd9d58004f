package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

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
			(select count(*) from tidings.posts), (select count(*) from tidings.likes),
			(select count(*) from tidings.comments), (select count(*) from tidings.events), (select count(*) from tidings.withdrawn),
			(select count(*) from tidings.counts), (select count(*) from tidings.revisions), (select count(*) from tidings.notifications),
			(select count(*) from tidings.idempotency), (select count(*) from tidings.pending), (select count(*) from tidings.tombstones),
			(select string_agg(concat_ws(' ', id, status, version, pinned_at, body), ', ' order by id) from tidings.comments))`).Scan(&text))
	return text
}

// unseen are texts without a character that can be seen, one for each kind of such characters.
var unseen = map[string]string{
	"Empty": "", "Space": " ", "Lines": "\n\t\r", "NoBreakSpace": "\u00a0", "OghamSpace": "\u1680", "WideSpace": "\u3000", "LineSeparator": "\u2028\u2029",
	"ZeroWidth": "\u200b\u200c\u200d\u2060", "ByteOrderMark": "\ufeff", "SoftHyphen": "\u00ad", "Joiner": "\u034f",
	"Direction": "\u061c\u200e\u200f\u202a\u202e\u2066\u2069", "Mathematical": "\u2061\u2062\u2063\u2064", "Deprecated": "\u206a\u206f",
	"HangulFillers": "\u115f\u1160\u3164\uffa0", "BrailleBlank": "\u2800", "KhmerVowels": "\u17b4\u17b5", "Mongolian": "\u180b\u180e\u180f",
	"Selectors": "\ufe00\ufe0e\ufe0f", "MoreSelectors": "\U000e0100\U000e01ef", "Tags": "\U000e0001\U000e0020\U000e0041\U000e007f",
	"Annotations": "\ufff9\ufffa\ufffb", "Hieroglyphs": "\U00013430\U0001343f", "Shorthand": "\U0001bca0\U0001bca3", "Music": "\U0001d173\U0001d17a",
	"Mixed": " \u200b\u3164\ufe0f\U000e0041\n",
}

// Each request gets a problem, and no row of it stays but the name of the user in the token, which
// each write of a user may store.
func TestRefusedRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, status) values
			(1, '42', null, 'ann', 'x', 'published'), (2, '42', 1, 'ann', 'x', 'published'), (3, '42', null, 'ann', 'x', 'spam'),
			(4, '42', null, 'ann', 'x', 'published'), (5, '42', 4, 'bob', 'x', 'published'), (6, '43', null, 'ann', 'x', 'published'),
			(7, '42', null, 'ann', 'x', 'published')`)
	r.exec(t, `
		insert into tidings.comments (id, post_id, author_id, body, created_at) values (8, '42', 'ann', 'x', now() - interval '1 hour');
		insert into tidings.likes (post_id, comment_id, user_id) values ('42', 3, 'ann')`)
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
		{"PATCH", "/v1/comments/8", `{"body":"y"}`, ann, 403, "too_late"},
		{"PATCH", "/v1/comments/8", `{"mentions":[]}`, ann, 403, "too_late"},
		{"PATCH", "/v1/comments/5", `{"body":"y"}`, ann, 403, "forbidden"},
		{"PUT", "/v1/comments/3/like", ``, ann, 404, "not_found"}, // hidden
		{"DELETE", "/v1/comments/3/like", ``, ann, 404, "not_found"},
		{"PUT", "/v1/comments/3/like", ``, as(t, "new"), 404, "not_found"},
		{"PUT", "/v1/comments/4/like", ``, ann, 404, "not_found"}, // deleted, a tombstone
		{"PUT", "/v1/comments/99/like", ``, ann, 404, "not_found"},
		{"PUT", "/v1/comments/x/like", ``, ann, 404, "not_found"},
		{"PUT", one + "/like", `{"liked":true}`, ann, 422, "unknown_field"},
		{"POST", "/v1/notifications/read", `{"ids":["1"],"all":true}`, ann, 422, "invalid"},
		{"POST", "/v1/notifications/read", `{"ids":["x"]}`, ann, 422, "invalid"},
		{"POST", "/v1/notifications/read", `{"ids":["1` + strings.Repeat(`","1`, 100) + `"]}`, ann, 422, "invalid"},
		{"POST", "/v1/notifications/read", `{}`, ann, 422, "invalid"},
		{"GET", "/v1/notifications?unread=2", ``, ann, 400, "malformed"},
		{"GET", "/v1/notifications?after=x", ``, ann, 400, "malformed"},
		{"GET", "/v1/moderation?after=1", ``, mia, 400, "malformed"},
	}
	bodies := []string{`\u0000`, strings.Repeat("x", 5001)}
	for _, text := range unseen {
		encoded, err := json.Marshal(text)
		streamtest.Must(t, err)
		bodies = append(bodies, strings.Trim(string(encoded), `"`))
	}
	for _, body := range bodies {
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
	for _, match := range []string{`1`, `W/"1"`, `""`, `"x"`, `"0"`, `"-1"`, `"+1"`, `"01"`, `"1.0"`, `"1" ` + "x", `"99999999999999999999"`, `"1", "2"`, `*, "1"`, `**`} {
		requests = append(requests,
			request{"PATCH", one, `{"body":"y"}` + "\x00" + match, ann, 400, "malformed"},
			request{"DELETE", one, "\x00" + match, ann, 400, "malformed"},
			request{"PUT", one + "/status", `{"status":"spam"}` + "\x00" + match, mia, 400, "malformed"},
			request{"PUT", one + "/pin", "\x00" + match, mia, 400, "malformed"},
			request{"DELETE", one + "/pin", "\x00" + match, mia, 400, "malformed"})
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

// Each statement is refused by the database itself, and no row of it stays. SQL may reply to a
// hidden comment, like it and edit at any time.
func TestRefusedStatementsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `
		insert into tidings.posts (id, author_id) values ('42', 'pia'), ('43', null);
		insert into tidings.comments (id, post_id, parent_id, author_id, body) values (10, '42', null, 'ann', 'x'), (11, '42', 10, 'ann', 'x'), (12, '43', null, 'ann', 'x');
		insert into tidings.likes (post_id, comment_id, user_id) values ('42', 10, 'bob');
		select setval('tidings.comments_id_seq', 100)`)
	const comment = `insert into tidings.comments (post_id, author_id, body, parent_id) values `
	statements := map[string]struct{ sql, code, constraint string }{
		"ParentOnAnotherPost": {comment + `('43', 'new', 'x', 10)`, "23503", "comments_parent_in_same_post"},
		"ParentThatIsGone":    {comment + `('42', 'new', 'x', 13)`, "23503", "comments_parent_in_same_post"},
		"ParentOfANewPost":    {comment + `('new', 'new', 'x', 10)`, "23503", "comments_parent_in_same_post"},
		"ParentThatIsNewer":   {`insert into tidings.comments (id, post_id, author_id, body, parent_id) values (5, '42', 'new', 'x', 10)`, "23514", "comments_parent_is_older"},
		"IDZero":              {`insert into tidings.comments (id, post_id, author_id, body) values (0, '42', 'new', 'x')`, "23514", "comments_id_positive"},
		"IDBelowZero":         {`insert into tidings.comments (id, post_id, author_id, body) values (-5, '42', 'new', 'x')`, "23514", "comments_id_positive"},
		"ModeratorWithASpace": {`select set_config('tidings.by', 'two words', true); update tidings.comments set status = 'spam' where id = 10`, "22023", ""},
		"LongModerator":       {`select set_config('tidings.by', repeat('x', 256), true); update tidings.comments set status = 'spam' where id = 10`, "22023", ""},
		"TenThousandMentions": {`update tidings.comments set mentions = array(select 'u' || n from generate_series(1, 10000) n) where id = 10`,
			"23514", "comments_mentions"},
		"MentionOfNobody":   {`update tidings.comments set mentions = '{""}' where id = 10`, "23514", "comments_mentions"},
		"MentionOfNull":     {`update tidings.comments set mentions = '{null}' where id = 10`, "23514", "comments_mentions"},
		"UnknownStatus":     {`update tidings.comments set status = 'gone' where id = 10`, "23514", "comments_status"},
		"PinOfAReply":       {`update tidings.comments set pinned_at = now() where id = 11`, "23514", "comments_pinned_is_root"},
		"LongBody":          {comment + `('42', 'new', repeat('x', 5001), null)`, "23514", "comments_body_length"},
		"SecondLike":        {`insert into tidings.likes (post_id, comment_id, user_id) values ('42', 11, 'new'), ('42', 10, 'bob')`, "23505", "likes_once"},
		"LikeOnAnotherPost": {`insert into tidings.likes (post_id, comment_id, user_id) values ('43', 10, 'new')`, "23503", "likes_comment_in_post"},
		"LikeOfNothing":     {`insert into tidings.likes (post_id, comment_id, user_id) values ('42', 99, 'new')`, "23503", "likes_comment_in_post"},
		"NoticeOfAnother":   {`update tidings.notifications set user_id = 'new'`, "23000", ""},
	}
	for name, text := range unseen {
		quoted := "'" + text + "'"
		type refusal = struct{ sql, code, constraint string }
		statements["Body"+name] = refusal{comment + `('42', 'new', ` + quoted + `, null)`, "23514", "comments_body_length"}
		statements["Edit"+name] = refusal{`update tidings.comments set body = ` + quoted + ` where id = 10`, "23514", "comments_body_length"}
		statements["Name"+name] = refusal{`insert into tidings.users (id, name) values ('new', ` + quoted + `)`, "23514", "users_name_length"}
	}
	before := r.rows(t)
	for name, c := range statements {
		_, err := r.sql.Exec(t.Context(), c.sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != c.code || pg.ConstraintName != c.constraint {
			t.Errorf("%s: %v, want SQLSTATE %s of %s", name, err, c.code, c.constraint)
		}
		if after := r.rows(t); after != before {
			t.Fatalf("%s: rows are\n%s, before\n%s", name, after, before)
		}
	}
}
