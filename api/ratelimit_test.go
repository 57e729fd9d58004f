package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// writes are the requests that a user's rates limit.
var writes = []struct {
	kind         limit.Refusal
	method, path string
	body         string
	status       int
}{
	{limit.Comments, "POST", "/v1/posts/1/comments", `{"body":"Hello"}`, 201},
	{limit.Likes, "PUT", "/v1/posts/1/like", "", 200},
	{limit.Tickets, "POST", "/v1/ticket", `{"topics":["me"]}`, 201},
	{limit.Likes, "PUT", "/v1/comments/1/like", "", 200},
}

func writeRates(perUser int) func(*setup) {
	rate := limit.Rate{PerSecond: 1.0 / 30, Burst: perUser}
	return limited(Limits{Writes: WriteRates{Comments: rate, Likes: rate, Tickets: rate}})
}

func TestRateLimits_OfWrites(t *testing.T) {
	t.Parallel()
	for _, w := range writes {
		t.Run(string(w.kind)+" "+w.path, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, writeRates(2))
			r.exec(t, `insert into tidings.comments (id, post_id, author_id, body) values (1, '1', 'bob', 'Hello')`)
			r.exec(t, `alter sequence tidings.comments_id_seq restart 2`)
			for range 2 {
				streamtest.Want(t, "status within the burst", r.do(t, w.method, w.path, as(t, "ann"), sends(w.body)).status, w.status)
			}
			r.do(t, w.method, w.path, as(t, "ann"), sends(w.body)).isProblem(t, 429, "rate_limited")
			a := r.do(t, w.method, w.path, as(t, "ann"), sends(w.body))
			var seconds, left int
			_, err := fmt.Sscanf(a.header.Get("RateLimit"), `"`+string(w.kind)+`";r=%d;t=%d`, &left, &seconds)
			streamtest.Must(t, err)
			if left != 0 || seconds < 1 || seconds > 31 || a.header.Get("Retry-After") == "" {
				t.Errorf("header is %v", a.header)
			}
			streamtest.Want(t, "RateLimit-Policy", a.header.Get("RateLimit-Policy"), `"`+string(w.kind)+`";q=2;w=60`)
			streamtest.Want(t, "refusals", r.refused(t, w.kind), 2)
			streamtest.Want(t, "status of another user", r.do(t, w.method, w.path, as(t, "bob"), sends(w.body)).status, w.status)
			for range 5 {
				streamtest.Want(t, "status of the site", r.do(t, w.method, w.path, as(t, "bot", auth.RoleService), sends(w.body)).status, w.status)
			}
		})
	}
}

func TestRateLimits_ChargeOnlyAcceptedWrites(t *testing.T) {
	t.Parallel()
	r := newRig(t, writeRates(1))
	r.exec(t, `insert into tidings.posts (id, locked) values ('closed', true)`)
	for range 3 {
		r.do(t, "POST", "/v1/posts/closed/comments", as(t, "ann"), sends(`{"body":"Hello"}`)).isProblem(t, 409, "post_locked")
		r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":" "}`)).isProblem(t, 422, "invalid")
		r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":"Hello","parentId":"99"}`)).isProblem(t, 422, "no_parent")
		r.do(t, "POST", "/v1/ticket", as(t, "ann"), sends(`{"topics":["user:bob"]}`)).isProblem(t, 403, "forbidden")
		r.do(t, "PUT", "/v1/comments/99/like", as(t, "ann")).isProblem(t, 404, "not_found")
	}
	r.exec(t, `insert into tidings.comments (id, post_id, author_id, body) values (99, '1', 'bob', 'Hello')`)
	r.do(t, "PUT", "/v1/comments/99/like", as(t, "bob")).wants(t, 200, `{"count":1,"liked":true}`)
	r.do(t, "PUT", "/v1/posts/1/like", as(t, "bob")).isProblem(t, 429, "rate_limited") // one limit for both
	for _, w := range writes[:3] {
		streamtest.Want(t, "status of "+string(w.kind), r.do(t, w.method, w.path, as(t, "ann"), sends(w.body)).status, w.status)
	}
}

func TestRateLimits_AnswerARepeatedKeyAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, writeRates(2))
	post := func(key, body string) answer {
		return r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":"`+body+`"}`), header("Idempotency-Key", key))
	}
	first := post("a", "Hello")
	streamtest.Want(t, "status", first.status, 201)
	for range 3 { // which are not charged
		streamtest.Want(t, "answer to the repeated key", strings.TrimSpace(post("a", "Hello").body), strings.TrimSpace(first.body))
	}
	streamtest.Want(t, "status of another key", post("b", "Hello").status, 201)
	post("c", "Hello").isProblem(t, 429, "rate_limited")
	streamtest.Want(t, "status of the repeated key over the limit", post("a", "Hello").status, 201)
	post("a", "Something else").isProblem(t, 422, "idempotency_key_reused")
	post("c", "Hello").isProblem(t, 429, "rate_limited")
}

// A request that repeats the key of one that waits is in flight, also over the limit.
func TestRateLimits_KeyInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, writeRates(1))
	post := func(key string) answer {
		return r.do(t, "POST", "/v1/posts/1/comments", as(t, "ann"), sends(`{"body":"Hello"}`), header("Idempotency-Key", key))
	}
	r.exec(t, `insert into tidings.posts (id) values ('1')`)
	tx, err := r.sql.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = tx.Exec(t.Context(), `select from tidings.posts where id = '1' for update`)
	streamtest.Must(t, err)
	first := make(chan answer, 1)
	go func() { first <- post("a") }()
	streamtest.Eventually(t, "the first request waits for the post", func() bool {
		var waits bool
		streamtest.Must(t, r.sql.QueryRow(t.Context(), `
			select exists (
				select from pg_stat_activity
				where datname = current_database() and application_name = 'tidings' and wait_event_type = 'Lock' and wait_event <> 'object' -- NOTIFY's
			)`).Scan(&waits))
		return waits
	})
	for range 3 {
		post("a").isProblem(t, 409, "idempotency_key_in_flight")
	}
	post("b").isProblem(t, 429, "rate_limited")
	streamtest.Must(t, tx.Rollback(t.Context()))
	streamtest.Want(t, "status of the first request", (<-first).status, 201)
	streamtest.Want(t, "status of the repeated key", post("a").status, 201)
}
