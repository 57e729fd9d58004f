package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestTwoInstances(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t, s.concurrent), s.start(t, s.concurrent)

	t.Run("DeliverEachOthersWrites", func(t *testing.T) {
		t.Parallel()
		taps := tapsOn(t, "now", []string{"post:alike"}, one, two)
		comment(t, one.as(t, "ann"), "alike", "posted to one")
		comment(t, two.as(t, "ben"), "alike", "posted to two")
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('alike', 'cat', 'in SQL')`)
		withdrawn, err := s.sql.Begin(t.Context())
		streamtest.Must(t, err)
		_, err = withdrawn.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('alike', 'dan', 'never')`)
		streamtest.Must(t, err)
		streamtest.Must(t, withdrawn.Rollback(t.Context()))
		_, err = two.as(t, "ann").LikePost(t.Context(), "alike")
		streamtest.Must(t, err)
		s.end(t, "post:alike")

		log := s.logged(t, "post:alike")
		streamtest.Want(t, "the log", len(log), 7) // three comments, each with its count, and a like
		for _, x := range taps {
			got := x.wants(t, log)
			streamtest.Want(t, x.name, bodies(got), []string{"posted to one", "posted to two", "in SQL"})
		}
	})

	t.Run("SendTheSameCommentInEventsAndLists", func(t *testing.T) {
		t.Parallel()
		x := sse(t, two.Client, "now", "post:same")
		created := comment(t, one.as(t, "ann"), "same", "the same <b>everywhere</b>  \u2028 ☂")
		seen := decode[client.Comment](t, x.await(t, "the comment", named("new-comment")))
		list, err := two.Comments(t.Context(), "same", client.ListOptions{Flat: true})
		streamtest.Must(t, err)
		streamtest.Want(t, "the event's comment", seen, created)
		streamtest.Want(t, "the list", list.Data, []client.Comment{created})
	})

	t.Run("PublishTheSameFromSQLAndHTTP", func(t *testing.T) {
		t.Parallel()
		taps := tapsOn(t, "now", []string{"post:orders"}, one, two)
		s.exec(t, `select tidings.publish('post:orders', 'order.updated', '{"z": [1, 2.50], "a": {"b": "ä \u2028"}}')`)
		streamtest.Must(t, one.as(t, "shop", "service").Publish(t.Context(), "post:orders", "order.updated",
			json.RawMessage(`{"a":{"b":"ä \u2028"},  "z":[1,2.50]}`)))
		for _, x := range taps {
			first := x.await(t, "an order", named("order.updated"))
			second := x.await(t, "the other order", named("order.updated"))
			streamtest.Want(t, x.name, string(first.Data), `{"a":{"b":"ä \u2028"},"z":[1,2.50]}`)
			streamtest.Want(t, x.name, string(second.Data), string(first.Data))
		}
		wantProblem(t, one.as(t, "ann").Publish(t.Context(), "post:orders", "order.updated", 1), 403, "forbidden")
	})

	// Typing also ends 6 s after the last signal. On a slow machine the test cannot tell
	// the two ends apart, so it tries again.
	t.Run("SendTypingUntilTheCommentIsSent", func(t *testing.T) {
		t.Parallel()
		taps := []*tap{sse(t, one.Client, "now", "post:typing"), sse(t, two.Client, "now", "post:typing")}
		streamtest.Eventually(t, "typing ends with the comment", func() bool {
			began := time.Now()
			streamtest.Must(t, one.as(t, "ann").Typing(t.Context(), "typing"))
			for _, x := range taps {
				event := x.await(t, "typing", named("typing"))
				streamtest.Want(t, "typing", string(event.Data), `{"postId":"typing","users":[{"id":"ann","name":"The ann"}],"count":1}`)
				streamtest.Want(t, "the id of typing", event.ID, "")
			}
			comment(t, two.as(t, "ann"), "typing", "the typed comment")
			for _, x := range taps {
				event := x.await(t, "the end of typing", named("typing"))
				streamtest.Want(t, "typing", string(event.Data), `{"postId":"typing","users":[],"count":0}`)
			}
			return time.Since(began) < 6*time.Second
		})
	})

	t.Run("SendTypingToAWaitingPoll", func(t *testing.T) {
		t.Parallel()
		x := poll(t, two.Client, "now", "post:poll")
		ann := one.as(t, "ann")
		inBackground(t, func(ctx context.Context) error {
			return every(ctx, 500*time.Millisecond, func() error { return ann.Typing(ctx, "poll") })
		})
		event := x.await(t, "typing", named("typing"))
		streamtest.Want(t, "the id of typing", event.ID, "")
	})
}
