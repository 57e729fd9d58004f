package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestLikesOfComments(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
		values (1, '42', null, 'ann', 'x', 'published'), (2, '42', 1, 'ann', 'x', 'published'), (3, '42', null, 'ann', 'x', 'pending')`)
	bob := as(t, "bob")
	const path = "/v1/comments/1/like"
	for range 2 {
		r.do(t, "PUT", path, bob).wants(t, 200, `{"count":1,"liked":true}`)
	}
	r.do(t, "PUT", path, as(t, "cid")).wants(t, 200, `{"count":2,"liked":true}`)
	for range 2 {
		r.do(t, "DELETE", path, as(t, "cid")).wants(t, 200, `{"count":1,"liked":false}`)
	}
	r.do(t, "DELETE", path, as(t, "dee")).wants(t, 200, `{"count":1,"liked":false}`)

	r.do(t, "PUT", path).isProblem(t, 401, "unauthenticated")
	r.do(t, "PUT", path, bob, sends(`{"liked":true}`)).isProblem(t, 422, "unknown_field")
	r.do(t, "POST", path, bob).isProblem(t, 405, "method_not_allowed")
	r.exec(t, `update tidings.comments set status = 'deleted' where id = 1`) // a tombstone above 2
	for _, id := range []string{"1", "3", "999", "0", "-1", "01", "x", "9223372036854775808"} {
		for _, method := range []string{"PUT", "DELETE"} {
			p := r.do(t, method, "/v1/comments/"+id+"/like", as(t, "mia", "moderator")).isProblem(t, 404, "not_found")
			streamtest.Want(t, "detail for "+id, p.Detail, "no published comment has this id")
		}
	}
	r.do(t, "PUT", "/v1/comments/x/like").isProblem(t, 401, "unauthenticated")
	var likes int
	streamtest.Must(t, r.sql.QueryRow(t.Context(), `select count(*) from tidings.likes`).Scan(&likes))
	streamtest.Want(t, "the likes in the table", likes, 1)
}

// Each answer with a comment or a post says whether the caller likes it. A tombstone is not liked.
func TestAnswersSayLiked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body)
		values (1, '42', null, 'bob', 'x'), (2, '42', 1, 'bob', 'x'), (3, '42', null, 'bob', 'x');
		insert into tidings.likes (post_id, comment_id, user_id)
		values ('42', null, 'bob'), ('42', 1, 'bob'), ('42', 2, 'bob'), ('42', null, 'mia'), ('42', 1, 'mia')`)
	bob, mia := as(t, "bob"), as(t, "mia", "moderator", "service")
	liked := func(a answer, member ...string) bool {
		t.Helper()
		var at any
		streamtest.Must(t, json.Unmarshal([]byte(a.body), &at))
		for _, name := range append(member, "liked") {
			object, isObject := at.(map[string]any)
			if !isObject || object[name] == nil {
				t.Fatalf("%d %s has no member %s", a.status, a.body, strings.Join(append(member, "liked"), "."))
			}
			at = object[name]
		}
		return at == true
	}
	for _, c := range []struct {
		request string
		edits   []edit
		want    bool
		member  []string
	}{
		{"GET /v1/posts/42", []edit{bob}, true, nil},
		{"GET /v1/posts/42", []edit{as(t, "cid")}, false, nil},
		{"GET /v1/posts/42", nil, false, nil},
		{"PUT /v1/posts/42", []edit{mia, sends(`{"title":"T"}`)}, true, nil},
		{"PUT /v1/posts/new", []edit{mia, sends(`{"title":"T"}`)}, false, nil},
		{"GET /v1/posts/42/comments", []edit{bob}, true, []string{"post"}},
		{"GET /v1/comments/1", []edit{bob}, true, nil},
		{"GET /v1/comments/1", []edit{mia}, true, nil},
		{"GET /v1/comments/2", []edit{mia}, false, nil},
		{"GET /v1/comments/1", nil, false, nil},
		{"PATCH /v1/comments/1", []edit{bob, sends(`{"body":"y"}`)}, true, nil},
		{"PATCH /v1/comments/3", []edit{bob, sends(`{"body":"y"}`)}, false, nil},
		{"PATCH /v1/comments/1", []edit{bob, header("If-Match", `"99"`), sends(`{"body":"z"}`)}, true, []string{"comment"}},
		{"PUT /v1/comments/1/pin", []edit{mia}, true, nil},
		{"DELETE /v1/comments/1/pin", []edit{mia}, true, nil},
		{"PUT /v1/comments/1/status", []edit{mia, sends(`{"status":"spam"}`)}, true, nil},
		{"GET /v1/comments/1", []edit{mia}, true, nil}, // as moderators see it
		{"GET /v1/comments/1", []edit{bob}, false, nil},
		{"POST /v1/posts/42/comments", []edit{bob, sends(`{"body":"y"}`)}, false, nil},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		streamtest.Want(t, fmt.Sprint("liked in the answer to ", c.request), liked(r.do(t, method, path, c.edits...), c.member...), c.want)
	}
	var list struct {
		Data []struct {
			ID      string
			Liked   bool
			Replies struct{ Data []struct{ Liked bool } }
		}
	}
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", "/v1/posts/42/comments?sort=oldest", bob).body), &list))
	streamtest.Want(t, "the first comment of the list", list.Data[0].ID, "1")
	streamtest.Want(t, "liked of the tombstone", list.Data[0].Liked, false)
	streamtest.Want(t, "liked of its reply", list.Data[0].Replies.Data[0].Liked, true)
}

// A like and its removal reach the readers of the user in the commit, also from SQL. Readers of
// other users do not get them.
func TestLikesReachOtherTabs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `insert into tidings.comments (id, post_id, author_id, body) values (1, '42', 'ann', 'x')`)
	start := r.head(t)
	bob := as(t, "bob")
	r.do(t, "PUT", "/v1/comments/1/like", bob)
	r.do(t, "PUT", "/v1/comments/1/like", bob) // changes nothing
	r.do(t, "PUT", "/v1/posts/42/like", bob)
	r.do(t, "PUT", "/v1/posts/42/like", as(t, "cid"))
	r.do(t, "DELETE", "/v1/comments/1/like", bob)
	r.exec(t, `delete from tidings.likes where user_id = 'bob'`)
	r.head(t)
	var page struct {
		Events []struct {
			Event, Topic string
			Data         json.RawMessage
		}
	}
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", "/v1/poll?topic=me&cursor="+start, bob).body), &page))
	var got []string
	for _, e := range page.Events {
		got = append(got, e.Event+" "+e.Topic+" "+string(e.Data))
	}
	streamtest.Want(t, "the events of bob", got, []string{
		`liked user:bob {"liked":true,"postId":"42","commentId":"1"}`,
		`liked user:bob {"liked":true,"postId":"42"}`,
		`liked user:bob {"liked":false,"postId":"42","commentId":"1"}`,
		`liked user:bob {"liked":false,"postId":"42"}`,
	})
}
