package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// write publishes a comment and returns its id.
func (r *rig) write(t *testing.T, post, who, body string) string {
	t.Helper()
	got := r.do(t, "POST", "/v1/posts/"+post+"/comments", as(t, who), sends(body))
	var c struct{ ID string }
	if got.status != 201 || json.Unmarshal([]byte(got.body), &c) != nil {
		t.Fatalf("comment is not created: %d %s", got.status, got.body)
	}
	return c.ID
}

func commentText(id, parent, who, body string, more string) string {
	name := strings.ToUpper(who[:1]) + who[1:]
	return fmt.Sprintf(`{"id":%q,"postId":"42","parentId":%s,"rootId":%[2]s,"author":{"id":%[3]q,"name":%[4]q,"avatarUrl":null},"body":%[5]q,"html":%[6]q,`+
		`"status":"published","pinnedAt":null,"likeCount":0,"replyCount":0,"threadCount":0,"createdAt":"*","editedAt":null,"version":1%[7]s}`, id, parent, who, name, body, "<p>"+html.EscapeString(body)+"</p>", more)
}

// resolve returns the address in the Location of an answer to a request of this path.
func resolve(t testing.TB, path string, a answer) string {
	t.Helper()
	base, err := url.Parse(path)
	streamtest.Must(t, err)
	location, err := base.Parse(a.header.Get("Location"))
	streamtest.Must(t, err)
	return location.String()
}

func TestComments(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.follow(t, "topic=post:42")
	s.event("stream.ready")

	got := r.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(`{"body":"Hello <b> \u2028"}`))
	got.wants(t, 201, commentText("1", "null", "ann", "Hello <b> \u2028", `,"liked":false`))
	streamtest.Want(t, "Location", got.header.Get("Location"), "../../comments/1")
	r.do(t, "GET", resolve(t, "/v1/posts/42/comments", got)).wants(t, 200, got.body)
	var created, heard any
	streamtest.Must(t, json.Unmarshal([]byte(strings.Replace(got.body, `,"liked":false`, "", 1)), &created))
	streamtest.Must(t, json.Unmarshal([]byte(s.event("new-comment").field("data")), &heard))
	streamtest.Want(t, "event's comment", heard, created)

	r.do(t, "POST", "/v1/posts/42/comments", as(t, "bob"), sends(`{"body":"Hi","parentId":"1"}`)).
		wants(t, 201, commentText("2", `"1"`, "bob", "Hi", `,"liked":false`))
	r.do(t, "POST", "/v1/posts/43/comments", as(t, "bob"), sends(`{"body":"Hi","parentId":"1"}`)).isProblem(t, 422, "no_parent")
	r.do(t, "PUT", "/v1/posts/42/like", as(t, "ann"))

	first := strings.Replace(commentText("1", "null", "ann", "Hello <b> \u2028", `,"liked":false`),
		`"replyCount":0,"threadCount":0`, `"replyCount":1,"threadCount":1`, 1)
	page := func(liked, user string) string {
		return `{"data":[` + commentText("2", `"1"`, "bob", "Hi", `,"liked":false`) + `,` + first + `],"page":{"next":null,"more":false},` +
			`"post":{"id":"42","title":null,"url":null,"locked":false,"commentCount":2,"likeCount":1,"liked":` + liked + `},"user":` + user + `,"cursor":"` + r.head(t) + `"}`
	}
	list := r.do(t, "GET", "/v1/posts/42/comments?flat=1", as(t, "ann"))
	list.wants(t, 200, page("true", `"ann"`))
	streamtest.Want(t, "Cache-Control", list.header.Get("Cache-Control"), "private, no-cache")
	r.do(t, "GET", "/v1/posts/42/comments?flat=1").wants(t, 200, page("false", "null"))
	r.do(t, "GET", "/v1/posts/nobody/comments").wants(t, 200,
		`{"data":[],"page":{"next":null,"more":false},"post":{"id":"nobody","title":null,"url":null,"locked":false,"commentCount":0,"likeCount":0,"liked":false},"user":null,"cursor":"*"}`)
}

func TestDeleteComment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	root := r.write(t, "42", "ann", `{"body":"root"}`)
	reply := r.write(t, "42", "bob", `{"body":"reply","parentId":"`+root+`"}`)

	remove := func(id string, who edit) answer { return r.do(t, "DELETE", "/v1/comments/"+id, who) }
	get := func(id string) answer { return r.do(t, "GET", "/v1/comments/"+id) }
	remove(root, as(t, "bob")).isProblem(t, 403, "forbidden")
	streamtest.Want(t, "status", remove(root, as(t, "ann")).status, 204)
	streamtest.Want(t, "status again", remove(root, as(t, "ann")).status, 204)
	list := r.do(t, "GET", "/v1/posts/42/comments?flat=1&sort=oldest")
	list.wants(t, 200, `{"data":[{"id":"1","postId":"42","parentId":null,"rootId":null,"author":null,"body":"","html":"","status":"deleted","pinnedAt":null,`+
		`"likeCount":0,"replyCount":1,"threadCount":1,"createdAt":"*","editedAt":null,"version":1,"liked":false},`+commentText(reply, `"1"`, "bob", "reply", `,"liked":false`)+
		`],"page":{"next":null,"more":false},"post":{"id":"42","title":null,"url":null,"locked":false,"commentCount":1,"likeCount":0,"liked":false},"user":null,"cursor":"*"}`)
	get(root).wants(t, 200, `{"id":"1","postId":"42","parentId":null,"rootId":null,"author":null,"body":"","html":"","status":"deleted","pinnedAt":null,`+
		`"likeCount":0,"replyCount":1,"threadCount":1,"createdAt":"*","editedAt":null,"version":1,"liked":false}`)
	get(reply).wants(t, 200, commentText(reply, `"1"`, "bob", "reply", `,"liked":false`))
	streamtest.Want(t, "status of a moderator's", remove(reply, as(t, "mod", auth.RoleModerator)).status, 204)
	get(reply).isProblem(t, 404, "not_found")
	get(root).isProblem(t, 404, "not_found") // its last reply is gone
	for _, id := range []string{"99", "0", "-1", "x", "01", "+1", "1.0", "9223372036854775808", "%31%32", "1%2F2", "%00"} {
		remove(id, as(t, "ann")).isProblem(t, 404, "not_found")
		get(id).isProblem(t, 404, "not_found")
	}
}

func TestLockedPostTakesNoComments(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	r.do(t, "PUT", "/v1/posts/42", as(t, "bot", auth.RoleService), sends(`{"locked":true}`))
	r.do(t, "POST", "/v1/posts/42/comments", as(t, "ann"), sends(`{"body":"x"}`)).isProblem(t, 409, "post_locked")
	r.do(t, "PUT", "/v1/posts/42", as(t, "bot", auth.RoleService), sends(`{"locked":false}`))
	r.write(t, "42", "ann", `{"body":"x"}`)
}

// A request that is repeated with its key gets the same comment again.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	send := func(who, body string, keys ...string) answer {
		t.Helper()
		return r.do(t, "POST", "/v1/posts/42/comments", as(t, who), sends(body), header("Idempotency-Key", keys...))
	}
	first := send("ann", `{"body":"x"}`, "one")
	streamtest.Want(t, "status", first.status, 201)
	for _, key := range []string{"one", `"one"`} {
		again := send("ann", `{"body":"x"}`, key)
		streamtest.Want(t, "answer", []string{again.body, again.header.Get("Location")}, []string{first.body, first.header.Get("Location")})
		streamtest.Want(t, "status", again.status, 201)
	}
	send("ann", `{"body":"y"}`, "one").isProblem(t, 422, "idempotency_key_reused")
	for who, key := range map[string]string{"bob": "one", "ann": "two"} { // another user's key, another key
		if other := send(who, `{"body":"x"}`, key); other.status != 201 || other.body == first.body {
			t.Errorf("%s with %s: %d %s", who, key, other.status, other.body)
		}
	}
	var list struct{ Data []any }
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", "/v1/posts/42/comments").body), &list))
	streamtest.Want(t, "comments", len(list.Data), 3)

	for _, keys := range [][]string{{"a", "b"}, {"a", "a"}, {""}, {`""`}, {`"`}, {"a b"}, {"a\tb"}, {`a"b`}, {`a\b`}, {"é"}, {"\xff"}, {strings.Repeat("k", 256)}} {
		send("ann", `{"body":"x"}`, keys...).isProblem(t, 400, "malformed")
	}
	streamtest.Want(t, "status of the longest key", send("ann", `{"body":"x"}`, strings.Repeat("k", 255)).status, 201)
}

func TestCommentPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 5
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) select '42', 'ann', i::text from generate_series(1, $1) i`, n)

	type pageJSON struct {
		Data []struct{ Body string }
		Page struct {
			Next *string
			More bool
		}
	}
	get := func(query string) (p pageJSON) {
		t.Helper()
		got := r.do(t, "GET", "/v1/posts/42/comments?"+query)
		streamtest.Want(t, "status", got.status, 200)
		streamtest.Must(t, json.Unmarshal([]byte(got.body), &p))
		return p
	}
	walk := func(sort string) (bodies []string) {
		t.Helper()
		for query := "limit=2&sort=" + sort; ; {
			p := get(query)
			for _, c := range p.Data {
				bodies = append(bodies, c.Body)
			}
			if streamtest.Want(t, "more", p.Page.More, p.Page.Next != nil); !p.Page.More {
				return bodies
			}
			query = "limit=2&sort=" + sort + "&after=" + *p.Page.Next
		}
	}
	streamtest.Want(t, "oldest first", walk("oldest"), []string{"1", "2", "3", "4", "5"})
	streamtest.Want(t, "newest first", walk("newest"), []string{"5", "4", "3", "2", "1"})
	streamtest.Want(t, "newest by default", get("").Data[0].Body, "5")

	next := *get("limit=2&sort=oldest").Page.Next
	if url.QueryEscape(next) != next {
		t.Errorf("next is no plain text: %q", next)
	}
	place := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	bad := []string{
		"sort=newest&after=" + next, "after=" + next, "sort=oldest&after=" + next + "=", "sort=oldest&after=" + next + "&after=" + next,
		"sort=oldest&after=x", "sort=oldest&after=" + place("oldest.1"), "sort=oldest&after=" + place("oldest.-.1.1.1"), "sort=oldest&after=" + place("oldest.-.x.1"), "sort=oldest&after=" + place("oldest.x.1.1"),
		"sort=oldest&after=" + place("oldest.-.1.0"), "sort=oldest&after=" + place("oldest.-.1.-1"), "sort=oldest&after=" + place("oldest.-.9223372036854775807.1"),
		"sort=oldest&after=" + place("oldest.-.-9223372036854775808.1"), "sort=oldest&after=%00",
		"sort=top%00", "sort=best", "sort=newest&sort=oldest",
		"flat=1&sort=oldest&after=" + next, "sort=top&after=" + next, "flat=1&sort=top", "flat=2", "flat=1&flat=1",
	}
	for _, limit := range []string{"0", "-1", "101", "1e2", "1.5", "", "x", "%2B1", "99999999999999999999", "1&limit=2"} {
		bad = append(bad, "limit="+limit)
	}
	for _, query := range bad {
		r.do(t, "GET", "/v1/posts/42/comments?"+query).isProblem(t, 400, "malformed")
	}
	streamtest.Want(t, "page of 100", len(get("limit=100").Data), n)
}

// A stream from the cursor of a list has each later event exactly once.
func TestListThenListen(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for i := range 3 {
		r.write(t, "42", "ann", `{"body":"before"}`)
		var list struct{ Cursor string }
		streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", "/v1/posts/42/comments").body), &list))
		id := r.write(t, "42", "ann", `{"body":"after"}`)
		s := r.follow(t, "topic=post:42&cursor="+list.Cursor)
		s.event("stream.ready")
		if data := s.event("new-comment").field("data"); !strings.Contains(data, `"id":"`+id+`"`) {
			t.Errorf("round %d: the first event is %s, want comment %s", i, data, id)
		}
		s.leave()
	}
	r.head(t) // what is live may come without counts that others supersede; a short replay has all
	names := []string{}
	s := r.follow(t, "topic=post:42&cursor=earliest")
	s.event("stream.ready")
	for range 12 {
		next, err := s.next()
		streamtest.Must(t, err)
		names = append(names, next.field("event"))
	}
	slices.Sort(names)
	streamtest.Want(t, "events of six comments", slices.Compact(names), []string{"comment-count", "new-comment"})
}

// A site that moves here writes the comments of others, with their times.
func TestComments_OfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/posts/42/comments"
	service := as(t, "bot", auth.RoleService)
	r.do(t, "POST", path, as(t, "ann"), sends(`{"body":"by ann"}`))
	for name, edits := range map[string][]edit{
		"Plain": {service},
		"Keyed": {service, header("Idempotency-Key", "import-1")},
	} {
		for range 2 { // a repeated request with a key has the same answer
			got := r.do(t, "POST", path, append(edits, sends(`{"body":"old","authorId":"ann","createdAt":"2019-05-04T03:02:01.000001+02:00"}`))...)
			streamtest.Want(t, name, got.status, 201)
			for _, part := range []string{`"author":{"id":"ann","name":"Ann",`, `"createdAt":"2019-05-04T01:02:01.000001Z"`, `"editedAt":null`} {
				if !strings.Contains(got.body, part) {
					t.Errorf("%s: no %s in %s", name, part, got.body)
				}
			}
		}
	}
	keyed := header("Idempotency-Key", "import-1")
	r.do(t, "POST", path, service, keyed, sends(`{"body":"old","authorId":"ann","createdAt":"2019-05-04T03:02:01+02:00"}`)).isProblem(t, 422, "idempotency_key_reused")
	got := r.do(t, "POST", path, service, keyed, sends(`{"body":"old","authorId":"ben","createdAt":"2019-05-04T03:02:01+02:00"}`))
	streamtest.Want(t, "status with the key of another author", got.status, 201)
	streamtest.Want(t, "status without a time", r.do(t, "POST", path, service, sends(`{"body":"now","authorId":"cy"}`)).status, 201)
	var old int
	streamtest.Must(t, r.sql.QueryRow(t.Context(), `select count(*) from tidings.comments where created_at < '2020-01-01'`).Scan(&old))
	streamtest.Want(t, "old comments", old, 4)
	for _, by := range []edit{as(t, "ann"), as(t, "mod", auth.RoleModerator), as(t, "root", auth.RoleAdmin)} {
		r.do(t, "POST", path, by, sends(`{"body":"x","authorId":"ann"}`)).isProblem(t, 403, "forbidden")
		r.do(t, "POST", path, by, sends(`{"body":"x","createdAt":"2019-05-04T03:02:01Z"}`)).isProblem(t, 403, "forbidden")
	}
	for _, wrong := range []string{`"authorId":""`, `"authorId":"a b"`, `"createdAt":"2999-01-01T00:00:00Z"`, `"createdAt":"0000-12-31T23:59:59Z"`} {
		r.do(t, "POST", path, service, sends(`{"body":"x",`+wrong+`}`)).isProblem(t, 422, "invalid")
	}
	for _, wrong := range []string{`"createdAt":"yesterday"`, `"createdAt":1556931721`, `"authorId":7`} {
		if got := r.do(t, "POST", path, service, sends(`{"body":"x",`+wrong+`}`)); got.status != 400 {
			t.Errorf("%s: %d %s", wrong, got.status, got.body)
		}
	}
}
