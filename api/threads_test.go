package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A listed is what tests look at in the answer with a list.
type listed struct {
	Data []struct {
		ID      string
		Liked   *bool
		Replies *struct {
			Data []struct{ ID string }
			Page struct {
				Next string
				More bool
			}
		}
	}
	Page struct {
		Next string
		More bool
	}
}

// ids writes a list as "3[4 5+] 1": ids, and the first replies of each; + for more.
func (r *rig) ids(t *testing.T, path string, edits ...edit) string {
	t.Helper()
	got := r.do(t, "GET", path, edits...)
	streamtest.Want(t, "status of "+path, got.status, 200)
	var list listed
	streamtest.Must(t, json.Unmarshal([]byte(got.body), &list))
	var all []string
	for _, c := range list.Data {
		text := c.ID
		if c.Replies != nil && len(c.Replies.Data) > 0 {
			var below []string
			for _, reply := range c.Replies.Data {
				below = append(below, reply.ID)
			}
			if text += "[" + strings.Join(below, " "); c.Replies.Page.More {
				text += "+"
			}
			text += "]"
		}
		all = append(all, text)
	}
	if list.Page.More {
		all = append(all, "+")
	}
	return strings.Join(all, " ")
}

const (
	threadRows = `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, created_at)
		select id, '42', parent, 'ann', 'x', timestamptz '2026-01-01' + interval '1 hour' * id
		from (values (1, null), (2, null), (3, null), (11, 1), (12, 11), (13, 1), (14, 1), (15, 2)) as v (id, parent)`
	threadChanges = `
		update tidings.comments set pinned_at = case id when 2 then now() end, status = case id when 3 then 'spam' else 'published' end where id < 10`
)

func TestThreads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, threadRows)
	r.exec(t, threadChanges)
	r.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('42', 1, 'bob')`)
	const path = "/v1/posts/42/comments"
	for query, want := range map[string]string{
		"":                    "2[15] 1[11 12 13+]",
		"?sort=oldest":        "2[15] 1[11 12 13+]",
		"?sort=top":           "2[15] 1[11 12 13+]",
		"?limit=1":            "2[15] +",
		"?flat=1&limit=3":     "15 14 13 +",
		"?flat=1&sort=oldest": "1 2 11 12 13 14 15",
	} {
		streamtest.Want(t, query, r.ids(t, path+query), want)
	}
	var list listed
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", path, as(t, "bob")).body), &list))
	streamtest.Want(t, "likes", fmt.Sprint(*list.Data[0].Liked, *list.Data[1].Liked), "false true")
	next := list.Data[1].Replies.Page.Next
	streamtest.Want(t, "further replies", r.ids(t, "/v1/comments/1/replies?after="+next), "14")
	streamtest.Want(t, "all replies", r.ids(t, "/v1/comments/1/replies"), "11 12 13 14")
	streamtest.Want(t, "replies to a reply", r.ids(t, "/v1/comments/11/replies"), "12")
	r.do(t, "GET", "/v1/comments/3/replies").isProblem(t, 404, "not_found")
	r.do(t, "GET", "/v1/comments/2/replies?after="+next).isProblem(t, 400, "malformed")
	r.do(t, "POST", path, as(t, "bob"), sends(`{"body":"x","parentId":"3"}`)).isProblem(t, 422, "no_parent")

	var first struct{ Page struct{ Next string } }
	streamtest.Must(t, json.Unmarshal([]byte(r.do(t, "GET", path+"?limit=1").body), &first))
	streamtest.Want(t, "the second page", r.ids(t, path+"?limit=1&after="+first.Page.Next), "1[11 12 13+]")
	r.do(t, "GET", path+"?sort=oldest&after="+first.Page.Next).isProblem(t, 400, "malformed")
}

// A client that has the list gets 304 until the list changes, and for another user another list.
func TestListIsNotModified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, threadRows)
	const path = "/v1/posts/42/comments"
	tag := r.do(t, "GET", path).header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("ETag is %q", tag)
	}
	status := func(tag string, edits ...edit) int {
		t.Helper()
		got := r.do(t, "GET", path, append(edits, header("If-None-Match", tag))...)
		if got.status == 304 && (got.body != "" || got.header.Get("ETag") == "") {
			t.Errorf("304 with %q and %v", got.body, got.header)
		}
		return got.status
	}
	streamtest.Want(t, "the same", status(tag), 304)
	streamtest.Want(t, "among others", status(`"x", `+tag), 304)
	streamtest.Want(t, "another user", status(tag, as(t, "ann")), 200)
	own := r.do(t, "GET", path, as(t, "ann")).header.Get("ETag")
	streamtest.Want(t, "the same user", status(own, as(t, "ann")), 304)
	streamtest.Want(t, "another role", status(own, as(t, "ann", auth.RoleModerator)), 200)
	r.exec(t, `update tidings.comments set body = 'y' where id = 11`)
	streamtest.Want(t, "after an edit", status(tag), 200)
	streamtest.Want(t, "garbage", status("x"), 200)
}

func TestEditComment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, threadRows)
	id := r.write(t, "42", "ann", `{"body":"one"}`)
	patch := func(id, who, body string, edits ...edit) answer {
		t.Helper()
		return r.do(t, "PATCH", "/v1/comments/"+id, append(edits, as(t, who), sends(body))...)
	}
	streamtest.Want(t, "ETag", r.do(t, "GET", "/v1/comments/"+id).header.Get("ETag"), `"1"`)
	edited := patch(id, "ann", `{"body":"two"}`, header("If-Match", `"1"`))
	streamtest.Want(t, "status", edited.status, 200)
	streamtest.Want(t, "ETag", edited.header.Get("ETag"), `"2"`)
	var c struct {
		Body, HTML string
		EditedAt   *string
		Version    int
	}
	streamtest.Must(t, json.Unmarshal([]byte(edited.body), &c))
	streamtest.Want(t, "comment", fmt.Sprint(c.Body, c.HTML, c.EditedAt != nil, c.Version), "two<p>two</p>true 2")

	patch(id, "bob", `{"body":"x"}`).isProblem(t, 403, "forbidden")
	patch("1", "ann", `{"body":"x"}`).isProblem(t, 403, "too_late")
	patch("99", "ann", `{"body":"x"}`).isProblem(t, 404, "not_found")
	r.do(t, "PATCH", "/v1/comments/"+id, sends(`{"body":"x"}`)).isProblem(t, 401, "unauthenticated")
	for body, code := range map[string]string{
		`{"body":"\u200b"}`: "invalid", `{"body":""}`: "invalid", `{"body":"` + strings.Repeat("x", 5001) + `"}`: "invalid",
		`{"author":"x"}`: "unknown_field",
	} {
		patch(id, "ann", body).isProblem(t, 422, code)
	}
	for _, match := range []string{"2", `W/"2"`, `"x"`, `""`, `"02"`, `"-1"`, `"1", "2"`, `"99999999999999999999"`} {
		patch(id, "ann", `{"body":"x"}`, header("If-Match", match)).isProblem(t, 400, "malformed")
	}
	mismatch := patch(id, "ann", `{"body":"three"}`, header("If-Match", `"1"`))
	mismatch.isProblem(t, 412, "version_mismatch")
	if !strings.Contains(mismatch.body, `"comment":{"id":"`+id+`"`) || !strings.Contains(mismatch.body, `"body":"two"`) {
		t.Errorf("the problem has no comment: %s", mismatch.body)
	}
	streamtest.Want(t, "any version", patch(id, "ann", `{"body":"three"}`, header("If-Match", "*")).status, 200)
	moderator := r.do(t, "PATCH", "/v1/comments/1", as(t, "mia", auth.RoleModerator), sends(`{"body":"by mia"}`))
	streamtest.Want(t, "a moderator's edit", moderator.status, 200)
}

// An author may edit until the window ends, by the clock of the database.
// Each call that changes the row of a comment obeys If-Match, and answers a change that is done already
// like one without it.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.write(t, "42", "ann", `{"body":"one"}`)
	path := "/v1/comments/" + id
	ann, mia := as(t, "ann"), as(t, "mia", auth.RoleModerator)
	stale := header("If-Match", `"1"`)
	streamtest.Want(t, "edit", r.do(t, "PATCH", path, ann, sends(`{"body":"two"}`), stale).status, 200)
	for _, c := range []struct {
		method, path string
		edits        []edit
		version      int // after the change
		status       int // of the change
	}{
		{"PATCH", path, []edit{ann, sends(`{"body":"three"}`)}, 3, 200},
		{"PUT", path + "/pin", []edit{mia}, 4, 200},
		{"DELETE", path + "/pin", []edit{mia}, 5, 200},
		{"PUT", path + "/status", []edit{mia, sends(`{"status":"pending"}`)}, 6, 200},
		{"DELETE", path, []edit{ann}, 7, 204},
	} {
		name := c.method + " " + c.path
		refused := r.do(t, c.method, c.path, append(c.edits, stale)...)
		refused.isProblem(t, 412, "version_mismatch")
		if version := fmt.Sprintf(`"version":%d`, c.version-1); !strings.Contains(refused.body, version) {
			t.Errorf("%s: the problem has no comment with %s: %s", name, version, refused.body)
		}
		matching := header("If-Match", fmt.Sprintf(`"%d"`, c.version-1))
		streamtest.Want(t, name, r.do(t, c.method, c.path, append(c.edits, matching)...).status, c.status)
		if c.method != "PATCH" {
			streamtest.Want(t, name+" again", r.do(t, c.method, c.path, append(c.edits, stale)...).status, c.status)
		}
	}
	r.do(t, "DELETE", path, as(t, "bob"), stale).isProblem(t, 403, "forbidden")
	streamtest.Want(t, "spam", r.do(t, "PUT", path+"/status", mia, sends(`{"status":"spam"}`)).status, 200)
	hidden := r.do(t, "DELETE", path, ann, stale)
	if strings.Contains(hidden.body, "three") {
		t.Errorf("the author of a hidden comment gets %s", hidden.body)
	}
}

func TestEditWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		window time.Duration
		age    string
		status int
	}{
		"Off":                {NoEdits, "0", 403},
		"Unlimited":          {UnlimitedEdits, "25 years", 200},
		"WithinTheDefault":   {0, "14 minutes", 200},
		"AfterTheDefault":    {0, "15 minutes", 403},
		"WithinAnHour":       {time.Hour, "59 minutes", 200},
		"AfterAnHour":        {time.Hour, "1 hour", 403},
		"WrittenInTheFuture": {time.Hour, "-1 hour", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(s *setup) { s.api.EditWindow = c.window })
			id := r.write(t, "42", "ann", `{"body":"one"}`)
			r.exec(t, `update tidings.comments set created_at = clock_timestamp() - $1::interval`, c.age)
			before := r.rows(t)
			got := r.do(t, "PATCH", "/v1/comments/"+id, as(t, "ann"), sends(`{"body":"two"}`))
			streamtest.Want(t, "status", got.status, c.status)
			streamtest.Want(t, "nothing has changed", r.rows(t) == before, c.status != 200)
			moderator := r.do(t, "PATCH", "/v1/comments/"+id, as(t, "mia", auth.RoleModerator), sends(`{"body":"three"}`))
			streamtest.Want(t, "status of a moderator's", moderator.status, 200)
		})
	}
}

func TestModeration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mia := as(t, "mia", auth.RoleModerator)
	s := r.follow(t, "topic=site:moderation", mia)
	s.event("stream.ready")
	id := r.write(t, "42", "ann", `{"body":"one"}`)
	reply := r.write(t, "42", "bob", `{"body":"reply","parentId":"`+id+`"}`)
	comment := "/v1/comments/" + id

	for _, call := range []struct{ method, path, body string }{
		{"PUT", comment + "/status", `{"status":"spam"}`}, {"PUT", comment + "/pin", ""}, {"DELETE", comment + "/pin", ""},
		{"GET", comment + "/revisions", ""}, {"GET", "/v1/moderation", ""},
	} {
		edits := []edit{}
		if call.body != "" {
			edits = append(edits, sends(call.body))
		}
		r.do(t, call.method, call.path, edits...).isProblem(t, 401, "unauthenticated")
		r.do(t, call.method, call.path, append(edits, as(t, "ann"))...).isProblem(t, 403, "forbidden")
		if call.path != "/v1/moderation" {
			r.do(t, call.method, strings.Replace(call.path, comment, "/v1/comments/99", 1), append(edits, mia)...).isProblem(t, 404, "not_found")
		}
	}

	held := r.do(t, "PUT", comment+"/status", mia, sends(`{"status":"pending"}`))
	streamtest.Want(t, "status", held.status, 200)
	event := s.event("moderation").field("data")
	for _, part := range []string{`"was":"published"`, `"status":"pending"`, `"by":"mia"`, `"pending":1`, `"body":"one"`, `"html":"<p>one</p>"`} {
		if !strings.Contains(event, part) {
			t.Errorf("%s is not in %s", part, event)
		}
	}
	r.do(t, "GET", comment).wants(t, 200, `{"id":"1","postId":"42","parentId":null,"rootId":null,"author":null,"body":"","html":"","status":"deleted",`+
		`"pinnedAt":null,"likeCount":0,"replyCount":1,"threadCount":1,"createdAt":"*","editedAt":null,"version":1,"liked":false}`)
	streamtest.Want(t, "a moderator's comment", r.do(t, "GET", comment, mia).body, held.body)
	r.do(t, "GET", "/v1/moderation", mia).wants(t, 200,
		`{"data":[`+strings.Replace(strings.TrimSpace(held.body), `,"liked":false`, "", 1)+`],"page":{"next":null,"more":false},"pending":1,"user":"mia","cursor":"*"}`)
	streamtest.Want(t, "spam", r.ids(t, "/v1/moderation?status=spam", mia), "")
	for _, query := range []string{"status=published", "status=x", "status=", "status=spam&status=spam", "limit=0", "after=x"} {
		r.do(t, "GET", "/v1/moderation?"+query, mia).isProblem(t, 400, "malformed")
	}

	r.do(t, "PUT", comment+"/status", mia, sends(`{"status":"other"}`)).isProblem(t, 422, "invalid")
	r.do(t, "PUT", comment+"/status", mia, sends(`{"status":"deleted"}`))
	restored := r.do(t, "PUT", comment+"/status", mia, sends(`{"status":"published"}`))
	if !strings.Contains(restored.body, `"body":"one"`) || !strings.Contains(restored.body, `"editedAt":null`) {
		t.Errorf("restored: %s", restored.body)
	}
	r.do(t, "GET", comment+"/revisions", mia).wants(t, 200,
		`{"data":[{"version":2,"body":"one","html":"<p>one</p>","replacedAt":"*"}],"page":{"next":null,"more":false}}`)

	streamtest.Want(t, "pin", r.do(t, "PUT", comment+"/pin", mia).status, 200)
	r.do(t, "PUT", "/v1/comments/"+reply+"/pin", mia).isProblem(t, 422, "invalid")
	streamtest.Want(t, "unpin", r.do(t, "DELETE", comment+"/pin", mia).status, 200)
}

// A site's backend and an admin may do all that a moderator may.
func TestModeration_Roles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, role := range []string{auth.RoleModerator, auth.RoleAdmin, auth.RoleService} {
		comment := "/v1/comments/" + r.write(t, "42", "ann", `{"body":"one"}`)
		for _, call := range []struct {
			method, path, body string
			status             int
		}{
			{"PATCH", comment, `{"body":"two"}`, 200}, {"PUT", comment + "/pin", ``, 200}, {"DELETE", comment + "/pin", ``, 200},
			{"PUT", comment + "/status", `{"status":"pending"}`, 200}, {"GET", comment, ``, 200}, {"GET", "/v1/moderation", ``, 200},
			{"GET", comment + "/revisions", ``, 200}, {"DELETE", comment, ``, 204},
		} {
			edits := []edit{as(t, "mia", role)}
			if call.body != "" {
				edits = append(edits, sends(call.body))
			}
			got := r.do(t, call.method, call.path, edits...)
			streamtest.Want(t, fmt.Sprintf("%s %s %s: %s", role, call.method, call.path, got.body), got.status, call.status)
			if call.path == comment && call.method == "GET" && !strings.Contains(got.body, `"body":"two"`) {
				t.Errorf("the role %s gets %s", role, got.body)
			}
		}
	}
}
