package api

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func leeway(d time.Duration) func(*setup) { return func(s *setup) { s.tokens.Leeway = d } }

// A token that a request is admitted with is good for what the request begins: a poll
// waits, a stream stays open and a ticket opens one, until the leeway after exp has
// passed. Then all of them end, and the next request is refused.
func TestLeeway(t *testing.T) {
	t.Parallel()
	inEveryWay(t, func(t *testing.T, way func(*setup)) {
		const allowed = 2 * time.Minute
		r := newRig(t, way, leeway(allowed))
		late := header("Authorization", "Bearer "+tokenUntil(t, time.Now().Add(-allowed/2), "ann"))

		s := r.follow(t, "topic=me", late)
		s.event("stream.ready")
		ticketed := r.follow(t, "topic=me&ticket="+r.ticket(t, late, `["me"]`))
		ticketed.event("stream.ready")
		waits := r.later(t, "topic=me&wait=55&cursor="+r.head(t), late)
		r.publish(t, "user:ann", "tick", `1`)
		s.event("tick")
		ticketed.event("tick")
		streamtest.Want(t, "events of the poll", len((<-waits).Events), 1)

		ended := header("Authorization", "Bearer "+tokenUntil(t, time.Now().Add(-allowed-time.Second), "ann"))
		p := r.do(t, "GET", "/v1/notifications", ended).isProblem(t, 401, "invalid_token")
		streamtest.Want(t, "reason", p.Reason, "expired")
	})
}

// A client that polls in a loop gets one empty answer when its token ends, and then 401.
func TestPollLoopEndsWithTheToken(t *testing.T) {
	t.Parallel()
	inEveryWay(t, func(t *testing.T, way func(*setup)) {
		r := newRig(t, way, leeway(2*time.Second))
		who := header("Authorization", "Bearer "+tokenUntil(t, time.Now(), "ann"))
		cursor := r.head(t)
		for answers := 0; ; answers++ {
			got := r.do(t, "GET", "/v1/poll?topic=me&wait=55&cursor="+cursor, who)
			if got.status == 401 {
				break
			}
			if answers == 2 {
				t.Fatalf("poll %d of a token that ends is answered %d", answers, got.status)
			}
		}
	})
}

// A wait that is longer than the server allows is made shorter, not refused.
func TestWaitIsClamped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"55": 55, "56": 55, "2147483648": 55, "99999999999999999999999": 55, "0000000000060": 55, "3": 3, "0": 0,
	} {
		got, err := clamped(map[string][]string{"wait": {text}}, "wait", -1, 0, 55)
		streamtest.Must(t, err)
		streamtest.Want(t, "wait="+text, got, want)
	}
	r := newRig(t)
	for _, text := range []string{"-1", "x", "1.5", "+1", "", "99999999999x"} {
		r.do(t, "GET", "/v1/poll?topic=post:a&wait="+strings.ReplaceAll(text, "+", "%2B")).isProblem(t, 400, "malformed")
	}
	streamtest.Want(t, "status", r.do(t, "GET", "/v1/poll?topic=post:a&wait=99999999999999999999").status, 200)
	got := r.do(t, "GET", "/v1/poll?topic=post:a", header("Prefer", "wait=99999999999999999999"))
	streamtest.Want(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=55")
}

// A poll whose cursor is gone leaves its ticket usable.
func TestPollWithoutItsCursorKeepsItsTicket(t *testing.T) {
	t.Parallel()
	inEveryWay(t, func(t *testing.T, way func(*setup)) {
		r := newRig(t, way)
		epoch, position, _ := strings.Cut(r.head(t), "-")
		at, err := strconv.Atoi(position)
		streamtest.Must(t, err)
		ahead := fmt.Sprintf("%s-%d", epoch, at+1000)
		ticket := r.ticket(t, as(t, "ann"), `["me"]`)
		for _, cursor := range []string{ahead, ahead} {
			r.do(t, "GET", "/v1/poll?topic=me&ticket="+ticket+"&cursor="+cursor).isProblem(t, 410, "cursor_gone")
		}
		r.poll(t, "topic=me&wait=0&ticket="+ticket+"&cursor="+r.head(t))
		r.do(t, "GET", "/v1/poll?topic=me&wait=0&ticket="+ticket).isProblem(t, 401, "invalid_ticket")
	})
}
