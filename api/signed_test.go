package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestTyping(t *testing.T) {
	t.Parallel()
	const typingBurst = 3
	r := newRig(t, limited(Limits{Typing: limit.Rate{PerSecond: never, Burst: typingBurst}}))
	s := r.follow(t, "topic=post:42")
	s.event("stream.ready")

	press := func(who string) answer { return r.do(t, "POST", "/v1/posts/42/typing", as(t, who)) }
	got := press("ann")
	streamtest.Want(t, "status", got.status, 204)
	streamtest.Want(t, "body", got.body, "")
	typing := s.event("typing")
	streamtest.Want(t, "data", typing.field("data"), `{"postId":"42","users":[{"id":"ann","name":"Ann"}],"count":1}`)
	streamtest.Want(t, "fields", typing.fields(), "event topic data") // no id: it moves no cursor

	r.write(t, "42", "ann", `{"body":"done"}`)
	for {
		next, err := s.next()
		streamtest.Must(t, err)
		if next.field("event") == "typing" {
			streamtest.Want(t, "data", next.field("data"), `{"postId":"42","users":[],"count":0}`)
			break
		}
	}
	var limited answer
	for range typingBurst {
		limited = press("ann")
	}
	limited.isProblem(t, 429, "rate_limited")
	streamtest.Want(t, "status of another user", press("bob").status, 204)
}

func TestPublish(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bot := as(t, "bot", auth.RoleService)
	s := r.follow(t, "topic=room:1")
	s.event("stream.ready")

	publish := func(who edit, body string) answer { return r.do(t, "POST", "/v1/publish", who, sends(body)) }
	got := publish(bot, `{"topic":"room:1","event":"order.updated","data":{"n":1,"s":"\u2028"}}`)
	streamtest.Want(t, "status", got.status, 204)
	order := s.event("order.updated")
	streamtest.Want(t, "data", order.field("data"), `{"n":1,"s":"\u2028"}`)
	streamtest.Want(t, "id", order.field("id"), r.head(t))
	streamtest.Want(t, "status of null", publish(bot, `{"topic":"room:1","event":"a","data":null}`).status, 204)

	for _, roles := range [][]string{nil, {auth.RoleModerator}, {auth.RoleAdmin}} {
		publish(as(t, "ann", roles...), `{"topic":"room:1","event":"a","data":1}`).isProblem(t, 403, "forbidden")
	}
	for _, name := range []string{
		"new-comment", "comment-updated", "comment-deleted", "comment-count", "like-update", "post-deleted", "notification", "liked", "typing", "presence", "open", "error",
		"stream.ready", "stream.bye", "stream.x", "", "A", "a b", "a:b", "a_b", "a\\n", "a\\u0000", "é", strings.Repeat("a", 65),
	} {
		publish(bot, `{"topic":"room:1","event":"`+name+`","data":1}`).isProblem(t, 422, "invalid")
	}
	for _, topic := range []string{"", "room", "room:", ":1", "Room:1", "room:..", "room:a b", "room:a\\nid: 1", "room:*", "room:" + strings.Repeat("a", 256), "post:" + strings.Repeat("a", 513), "me"} {
		publish(bot, `{"topic":"`+topic+`","event":"a","data":1}`).isProblem(t, 422, "invalid")
	}
	for _, body := range []string{
		`{"topic":"room:1","event":"a"}`, `{}`, `{"topic":"room:1","event":"a","data":"` + strings.Repeat("x", 59_001) + `"}`, `{"topic":"room:1","event":"a","data":"\u0000"}`,
		`{"topic":"room:1","event":"a","data":1e400000}`, `{"topic":"room:1","event":"a","data":"\ud800"}`,
	} {
		publish(bot, body).isProblem(t, 422, "invalid")
	}
	streamtest.Want(t, "status at the limit", publish(bot, `{"topic":"room:1","event":"a","data":"`+strings.Repeat("x", 58_998)+`"}`).status, 204)
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.do(t, "PUT", "/v1/posts/42", as(t, "bot", auth.RoleService), sends(`{"authorId":"ann"}`))
	s := r.follow(t, "topic=me", as(t, "ann"))
	s.event("stream.ready")
	ids := []string{r.write(t, "42", "bob", `{"body":"1"}`), r.write(t, "42", "bob", `{"body":"2"}`), r.write(t, "42", "eve", `{"body":"3"}`)}

	one := func(id int, who string, read string) string {
		return fmt.Sprintf(`{"id":"%d","kind":"comment","postId":"42","commentId":%q,"actor":{"id":%q,"name":%q,"avatarUrl":null},"createdAt":"*","readAt":%s}`,
			id, ids[id-1], who, strings.ToUpper(who[:1])+who[1:], read)
	}
	notification := s.event("notification")
	streamtest.Want(t, "topic", notification.field("topic"), "user:ann")
	if data := notification.field("data"); !strings.Contains(data, `"unread":1`) || !strings.Contains(data, `"kind":"comment"`) {
		t.Errorf("data is %s", data)
	}

	list := func(who, query string) answer { return r.do(t, "GET", "/v1/notifications?"+query, as(t, who)) }
	all := one(3, "eve", "null") + "," + one(2, "bob", "null") + "," + one(1, "bob", "null")
	got := list("ann", "")
	got.wants(t, 200, `{"data":[`+all+`],"page":{"next":null,"more":false},"unread":3,"user":"ann","cursor":"`+r.head(t)+`"}`)
	streamtest.Want(t, "Cache-Control", got.header.Get("Cache-Control"), "private, no-cache")
	tag := got.header.Get("ETag")
	same := r.do(t, "GET", "/v1/notifications", as(t, "ann"), header("If-None-Match", `"other", `+tag))
	streamtest.Want(t, "status of the same list", same.status, 304)
	streamtest.Want(t, "body of the same list", same.body, "")
	list("ann", "limit=1").wants(t, 200, `{"data":[`+one(3, "eve", "null")+`],"page":{"next":"3","more":true},"unread":3,"user":"ann","cursor":"*"}`)
	list("ann", "limit=1&after=2").wants(t, 200, `{"data":[`+one(1, "bob", "null")+`],"page":{"next":null,"more":false},"unread":3,"user":"ann","cursor":"*"}`)
	const none = `{"data":[],"page":{"next":null,"more":false},"unread":0,"user":"*","cursor":"*"}`
	list("bob", "").wants(t, 200, none)
	list("root", "user=ann&sub=ann").wants(t, 200, none)

	r.exec(t, `update tidings.notifications set read_at = clock_timestamp() where id = 2`)
	list("ann", "unread=true").wants(t, 200, `{"data":[`+one(3, "eve", "null")+`,`+one(1, "bob", "null")+`],"page":{"next":null,"more":false},"unread":2,"user":"ann","cursor":"*"}`)
	list("ann", "unread=0&limit=2").wants(t, 200, `{"data":[`+one(3, "eve", "null")+`,`+one(2, "bob", `"*"`)+`],"page":{"next":"2","more":true},"unread":2,"user":"ann","cursor":"*"}`)
	for _, query := range []string{"unread=yes", "limit=0", "limit=101", "after=x", "after=0", "after=1&after=2", "after=-1"} {
		list("ann", query).isProblem(t, 400, "malformed")
	}
	r.do(t, "GET", "/v1/notifications").isProblem(t, 401, "unauthenticated")
}

func TestNotifications_AreMarkedAsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `insert into tidings.posts (id, author_id) values ('42', 'ann')`)
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) select '42', 'bob', 'x' from generate_series(1, 4)`)
	r.exec(t, `insert into tidings.likes (post_id, user_id) values ('42', 'bob'), ('42', 'cy')`)
	tag := r.do(t, "GET", "/v1/notifications", as(t, "ann")).header.Get("ETag")
	s := r.follow(t, "topic=me&cursor="+r.head(t), as(t, "ann"))
	s.event("stream.ready")
	read := func(who, body string) answer {
		return r.do(t, "POST", "/v1/notifications/read", as(t, who), sends(body))
	}
	for _, c := range []struct{ who, body, answer, event string }{
		{"ann", `{"ids":["1","3","404"]}`, `{"unread":3}`, `{"read":["1","3"],"readAt":"*","unread":3}`},
		{"ann", `{"ids":["1"]}`, `{"unread":3}`, ""},
		{"ann", `{"ids":[]}`, `{"unread":3}`, ""},
		{"bob", `{"ids":["2"]}`, `{"unread":0}`, ""},
		{"ann", `{"ids":["6"]}`, `{"unread":2}`, `{"read":["6"],"readAt":"*","unread":2}`}, // both likes
		{"ann", `{"all":true}`, `{"unread":0}`, `{"read":["2","4"],"readAt":"*","unread":0}`},
		{"ann", `{"all":true}`, `{"unread":0}`, ""},
	} {
		read(c.who, c.body).wants(t, 200, c.answer)
		if c.event != "" {
			wantJSON(t, s.event("notification").field("data"), c.event)
		}
	}
	changed := r.do(t, "GET", "/v1/notifications", as(t, "ann"), header("If-None-Match", tag))
	streamtest.Want(t, "status of the changed list", changed.status, 200)
	if strings.Contains(changed.body, `"readAt":null`) || !strings.Contains(changed.body, `"count":2`) {
		t.Errorf("the list is %s", changed.body)
	}

	hundred := strings.Repeat(`"1",`, 99) + `"1"`
	read("ann", `{"ids":[`+hundred+`]}`).wants(t, 200, `{"unread":0}`)
	for _, body := range []string{`{}`, `{"all":false}`, `{"ids":null}`, `{"ids":["1"],"all":true}`, `{"ids":["x"]}`, `{"ids":["0"]}`, `{"ids":[""]}`, `{"ids":["1",` + hundred + `]}`} {
		read("ann", body).isProblem(t, 422, "invalid")
	}
	read("ann", `{"id":"1"}`).isProblem(t, 422, "unknown_field")
	read("ann", `{"ids":[1]}`).isProblem(t, 400, "malformed")
	r.do(t, "POST", "/v1/notifications/read", sends(`{"all":true}`)).isProblem(t, 401, "unauthenticated")
}

// Users that have commented on the post are told that a comment mentions them, with and without
// an idempotency key, and after an edit.
func TestNotifications_OfMentions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, who := range []string{"ann", "bob", "cy"} {
		r.write(t, "42", who, `{"body":"x"}`)
	}
	const path = "/v1/posts/42/comments"
	r.write(t, "42", "dee", `{"body":"1","mentions":["ann","stranger","dee"]}`)
	key := header("Idempotency-Key", "k")
	keyed := sends(`{"body":"2","mentions":["ann","bob"]}`)
	first := r.do(t, "POST", path, as(t, "dee"), key, keyed)
	streamtest.Want(t, "status", first.status, 201)
	streamtest.Want(t, "the repeated answer", r.do(t, "POST", path, as(t, "dee"), key, keyed).body, first.body)
	r.do(t, "POST", path, as(t, "dee"), key, sends(`{"body":"2","mentions":["ann"]}`)).isProblem(t, 422, "idempotency_key_reused")
	mentions := func() []string {
		rows, _ := r.sql.Query(t.Context(), `
			select user_id || ' ' || body
			from tidings.notifications
			join tidings.comments on comments.id = comment_id
			where kind = 'mention'
			order by 1`)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		streamtest.Must(t, err)
		return all
	}
	streamtest.Want(t, "those told", mentions(), []string{"ann 1", "ann 2", "bob 2"})

	edit := func(body string) answer { return r.do(t, "PATCH", "/v1/comments/5", as(t, "dee"), sends(body)) }
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"mentions":["bob","cy"]}`, []string{"ann 1", "bob 2", "cy 2"}},
		{`{"body":"3"}`, []string{"ann 1", "bob 3", "cy 3"}},
		{`{"mentions":null}`, []string{"ann 1"}},
		{`{"mentions":["bob"],"body":"4"}`, []string{"ann 1", "bob 4"}},
	} {
		streamtest.Want(t, "status", edit(c.body).status, 200)
		streamtest.Want(t, "those told after "+c.body, mentions(), c.want)
	}

	many := strings.Repeat(`"u",`, 100) + `"u"`
	for _, bad := range []string{`["` + strings.Repeat("x", 256) + `"]`, `["a b"]`, `[""]`, `["*"]`, `["é"]`, "[" + many + "]"} {
		r.do(t, "POST", path, as(t, "dee"), sends(`{"body":"x","mentions":`+bad+`}`)).isProblem(t, 422, "invalid")
		edit(`{"mentions":`+bad+`}`).isProblem(t, 422, "invalid")
	}
	r.do(t, "POST", path, as(t, "dee"), sends(`{"body":"x","mentions":"ann"}`)).isProblem(t, 400, "malformed")
	r.do(t, "POST", path, as(t, "dee"), sends(`{"body":"x","mentions":[`+strings.Repeat(many+",", 200)+`"u"]}`)).isProblem(t, 413, "too_large")
}

// ticket takes a ticket for topics.
func (r *rig) ticket(t *testing.T, who edit, topics string) string {
	t.Helper()
	got := r.do(t, "POST", "/v1/ticket", who, sends(`{"topics":`+topics+`}`))
	got.wants(t, 201, `{"ticket":"*","expiresAt":"*"}`)
	streamtest.Want(t, "Cache-Control", got.header.Get("Cache-Control"), "no-store")
	var made struct {
		Ticket    string
		ExpiresAt time.Time
	}
	streamtest.Must(t, json.Unmarshal([]byte(got.body), &made))
	if left := time.Until(made.ExpiresAt); left > time.Minute+time.Second {
		t.Errorf("ticket waits %v", left)
	}
	return made.Ticket
}

func TestTickets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ann := as(t, "ann")

	ticket := r.ticket(t, ann, `["me","post:42"]`)
	streamtest.Want(t, "status of HEAD", r.do(t, "HEAD", "/v1/events?topic=user:ann&ticket="+ticket).status, 200) // and it is not used up
	s := r.follow(t, "topic=user:ann&ticket="+ticket)
	if data := s.event("stream.ready").field("data"); !strings.Contains(data, `"maxAge":0,"user":"ann"}`) {
		t.Errorf("stream.ready is %s", data) // it lasts as long as the token
	}
	r.publish(t, "user:ann", "tick", `1`)
	s.event("tick")
	r.do(t, "GET", "/v1/events?topic=me&ticket="+ticket).isProblem(t, 401, "invalid_ticket")
	r.do(t, "GET", "/v1/poll?topic=me&ticket="+ticket).isProblem(t, 401, "invalid_ticket")
	r.do(t, "GET", "/v1/events?topic=me&ticket=made-up").isProblem(t, 401, "invalid_ticket")

	// What is wrong with the request costs no ticket; one of many who show it gets in.
	shown := r.ticket(t, ann, `["me"]`)
	r.do(t, "GET", "/v1/events?topic=me&heartbeat=never&ticket="+shown).isProblem(t, 400, "malformed")
	r.do(t, "GET", "/v1/poll?topic=me&wait=soon&ticket="+shown).isProblem(t, 400, "malformed")
	statuses := make(chan int)
	for range 8 {
		go func() { statuses <- r.do(t, "GET", "/v1/poll?topic=me&wait=0&ticket="+shown).status }()
	}
	got := make(map[int]int)
	for range 8 {
		got[<-statuses]++
	}
	streamtest.Want(t, "statuses", got, map[int]int{200: 1, 401: 7})
	s.leave()
	streamtest.Eventually(t, "the slots are free", func() bool { return r.limits.Taken() == 0 })

	for _, topics := range []string{"topic=post:43", "topic=me&topic=post:43", "topic=user:bob"} { // also what is public
		other := r.ticket(t, ann, `["me"]`)
		r.do(t, "GET", "/v1/events?"+topics+"&ticket="+other).isProblem(t, 403, "forbidden")
	}
	for topics, code := range map[string]string{`[]`: "invalid_topic", `["post"]`: "invalid_topic", `["user:bob"]`: "forbidden", `["site:a"]`: "forbidden"} {
		status := map[string]int{"invalid_topic": 400, "forbidden": 403}[code]
		r.do(t, "POST", "/v1/ticket", ann, sends(`{"topics":`+topics+`}`)).isProblem(t, status, code)
	}
	r.do(t, "POST", "/v1/ticket", sends(`{"topics":["post:42"]}`)).isProblem(t, 401, "unauthenticated")

	// The roles of the token go with it, and its end.
	streamtest.Want(t, "status", r.do(t, "HEAD", "/v1/events?topic=site:a&ticket="+r.ticket(t, as(t, "mod", auth.RoleModerator), `["site:a"]`)).status, 200)
	expires := time.Now().Add(10 * time.Second)
	until := header("Authorization", "Bearer "+tokenUntil(t, expires, "ann"))
	used, unused := r.ticket(t, until, `["me"]`), r.ticket(t, until, `["me"]`)
	s = r.follow(t, "topic=me&ticket="+used)
	s.event("stream.ready")
	s.event("stream.expiring")
	streamtest.Want(t, "data", s.event("stream.bye").field("data"), `{"reason":"expired"}`)
	s.ends()
	r.do(t, "GET", "/v1/events?topic=me&ticket="+unused).isProblem(t, 401, "invalid_ticket")
	if log := r.logs.String(); strings.Contains(log, ticket) || strings.Contains(log, used) {
		t.Error("a ticket is in the log")
	}
}
