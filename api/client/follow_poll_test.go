package client

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// page is an answer to a poll: one event with the id, or no event if id is "".
func page(id, cursor string) string {
	if id == "" {
		return `{"events":[],"cursor":"` + cursor + `","more":false}`
	}
	return `{"events":[{"id":"` + id + `","event":"note","topic":"post:42","data":{}}],"cursor":"` + cursor + `","more":true}`
}

func TestFollowPollContinuesAtThePagesCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			replies(page("", "1-5")),
			replies(page("1-6", "1-7")),
			fails(503, ""),
			func(w http.ResponseWriter, r *http.Request) { cutOff() },
			replies(page("1-8", "1-8")),
		}}
		ids, err := follow(t, (*Client).FollowPoll, s, "", "1-8")
		streamtest.Want(t, "error", err, errEnough)
		streamtest.Want(t, "ids", ids, []string{"1-6", "1-8"})
		streamtest.Want(t, "cursors", s.cursors, []string{"", "1-5", "1-7", "1-7", "1-7"})
		streamtest.Want(t, "the first two waits", s.gaps()[:2], []time.Duration{0, 0})
	})
}

func TestFollowPollReportsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			func(w http.ResponseWriter, r *http.Request) {
				answer(w, http.StatusGone, "application/problem+json", `{"code":"cursor_gone","reason":"expired","resumed":"1-90"}`)
			},
			replies(page("1-91", "1-91")),
		}}
		c, stop := servePiped(t, s.ServeHTTP)
		defer stop()
		var events []Event
		err := c.FollowPoll(t.Context(), []string{"post:42"}, "1-5", func(ev Event) error {
			events = append(events, ev)
			if ev.ID == "1-91" {
				return errEnough
			}
			return nil
		})
		streamtest.Want(t, "error", err, errEnough)
		streamtest.Want(t, "events", events, []Event{
			named("1-90", "stream.gap", "", `{"reason":"expired","from":"1-5","resumed":"1-90"}`),
			named("1-91", "note", "post:42", `{}`),
		})
		streamtest.Want(t, "cursors", s.cursors, []string{"1-5", "1-90"})
	})
}

func TestFollowPollDoesNotLoopWithoutAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{replies(page("", "1-5"))}} // answered at once, as by a server that stops
		c, stop := servePiped(t, s.ServeHTTP)
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := c.FollowPoll(ctx, []string{"me"}, "1-5", func(Event) error { return nil })
		streamtest.Want(t, "error", err, context.DeadlineExceeded)
		if len(s.times) > 480 {
			t.Errorf("%d polls in an hour", len(s.times))
		}
	})
}

func TestFollowPollRepeatsAHeldPollAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := func(w http.ResponseWriter, r *http.Request) {
			<-time.After(24 * time.Second)
			replies(page("", "1-5"))(w, r)
		}
		s := &script{steps: []http.HandlerFunc{held, held, replies(page("1-6", "1-6"))}}
		_, err := follow(t, (*Client).FollowPoll, s, "1-5", "1-6")
		streamtest.Want(t, "error", err, errEnough)
		streamtest.Want(t, "waits", s.gaps(), []time.Duration{24 * time.Second, 24 * time.Second})
	})
}

func TestFollowPollLeavesADeadConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			replies(page("1-6", "1-6")),
		}}
		_, err := follow(t, (*Client).FollowPoll, s, "1-5", "1-6")
		streamtest.Want(t, "error", err, errEnough)
		if gap := s.gaps()[0]; gap < pollWait+pollGrace || gap >= pollWait+pollGrace+backoffBase {
			t.Errorf("gave up after %v", gap)
		}
	})
}
