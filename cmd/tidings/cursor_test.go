package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

type gap struct {
	Reason  string `json:"reason"`
	From    string `json:"from"`
	Resumed string `json:"resumed"`
}

// A cursor that cannot be resumed is told so, never skipped in silence. These events
// are gone: 1 to 4. These are there: 5 to 10 of the first epoch, 11 of another.
func TestCursors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range 10 {
		s.tick(t, n+1)
	}
	s.exec(t, `delete from tidings.events where position <= 4`)
	epoch := value[int64](t, s, `select tidings.new_epoch()`)
	s.tick(t, 11)
	one, two := s.start(t), s.start(t)
	in := func(position int) string { return fmt.Sprintf("%d-%d", epoch, position) }
	head := 11 // moved on by every test below, so they run one after the other

	for _, c := range []struct{ name, cursor, reason string }{
		{"TooOldHasExpired", "1-3", "expired"},
		{"TheVeryFirstHasExpired", "1-0", "expired"},
		{"FromTheFutureWasRestored", in(999), "restored"},
		{"BeyondTheEndOfItsEpochWasRestored", "1-11", "restored"},
		{"OfAnUnknownEpochWasRestored", "7-8", "restored"},
	} {
		told := t.Run(c.name, func(t *testing.T) {
			expected := gap{c.reason, c.cursor, in(head)}
			_, err := one.Poll(t.Context(), []string{"post:a"}, c.cursor, 0, 0)
			p := wantProblem(t, err, http.StatusGone, "cursor_gone")
			want(t, "the problem", gap{p.Reason, p.From, p.Resumed}, expected)

			x := sse(t, two.Client, c.cursor, "post:a")
			want(t, "the beginning", x.await(t, "it", anything).ID, c.cursor)
			told := x.await(t, "a gap", anything)
			want(t, "after the beginning", told.Name, "stream.gap")
			want(t, "the gap", decode[gap](t, told), expected)
			want(t, "its id", told.ID, in(head))
			s.tick(t, head+1)
			head++
			next := x.await(t, "a live event", anything)
			want(t, "after the gap", next.ID, in(head))
			page, err := one.Poll(t.Context(), []string{"post:a"}, p.Resumed, patience, 0)
			must(t, err)
			want(t, "a poll from there", page.Events, []client.Event{{ID: next.ID, Name: "tick", Topic: "post:a", Data: next.Data}})
		})
		if !told {
			return // each waits long for what does not come
		}
	}

	for _, c := range []struct {
		name, cursor string
		first        int
	}{
		{"AtTheFloorResumes", "1-4", 5},
		{"OfAnEpochThatEndedResumes", "1-9", 10},
		{"AtTheEndOfItsEpochResumes", "1-10", 11},
		{"OfThisEpochResumes", in(11), 12},
		{"EarliestIsWhatIsThere", "earliest", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, x := range tapsOn(t, c.cursor, []string{"post:a"}, one, two) {
				for n := c.first; n <= head; n++ {
					want(t, x.name, string(x.await(t, "a tick", named("tick")).Data), fmt.Sprint(n))
				}
			}
		})
	}
}

func anything(client.Event) bool { return true }

func TestMalformedCursorsAreRefused(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	topics := []string{"post:a"}
	for _, cursor := range []string{
		"x", "-", "1", "1-", "-1", "0-1", "01-1", "1-01", "1--1", "+1-1", "1-1-1", "1-1 ", " 1-1", "1-0x1",
		"1-9223372036854775808", "NOW", "Earliest", "1–1", strings.Repeat("1", 300),
	} {
		_, err := srv.Poll(t.Context(), topics, cursor, 0, 0)
		wantProblem(t, err, http.StatusBadRequest, "invalid_cursor")
		_, err = srv.Stream(t.Context(), topics, cursor)
		wantProblem(t, err, http.StatusBadRequest, "invalid_cursor")
		if strings.TrimSpace(cursor) == cursor { // a header's value has no space around it
			_, err = srv.Stream(t.Context(), topics, cursor, client.WithLastEventID(), client.WithParam("cursor", "1-0"))
			wantProblem(t, err, http.StatusBadRequest, "invalid_cursor")
		}
	}
}

func TestLastEventIDWinsOverCursor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	for n := range 3 {
		s.tick(t, n+1)
	}

	x := listen(t, srv.Client, "1-1", []string{"post:a"}, client.WithLastEventID(), client.WithParam("cursor", "1-2"))
	want(t, "the beginning", x.await(t, "it", anything).ID, "1-1")
	want(t, "the first event", x.await(t, "it", named("tick")).ID, "1-2")
	want(t, "the last event", x.await(t, "it", named("tick")).ID, "1-3")

	query := url.Values{"topic": {"post:a"}, "cursor": {"1-2"}}
	answer := srv.get(t, "/v1/poll?"+query.Encode(), http.Header{"Last-Event-Id": {"1-1"}})
	var page client.Page
	must(t, json.NewDecoder(answer.Body).Decode(&page))
	want(t, "events of the poll", len(page.Events), 2)
	want(t, "Next-Cursor", answer.Header.Get("Next-Cursor"), "1-3")

	// A browser sends an empty header when it has no id yet.
	answer = srv.get(t, "/v1/poll?"+query.Encode(), http.Header{"Last-Event-Id": {""}})
	must(t, json.NewDecoder(answer.Body).Decode(&page))
	want(t, "events after the cursor", len(page.Events), 1)
}

// The age of a stream ends it, too: at 80 to 100 % of it, with a cursor and a time
// to come back after.
func TestStreamsEndWithTheirAge(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t, func(i *instance) { i.MaxAge = time.Second })
	x := sse(t, srv.Client, "now", "post:a")
	ready := x.await(t, "the beginning", anything)
	bye := x.await(t, "the end", named("stream.bye"))
	want(t, "bye", string(bye.Data), `{"reason":"age"}`)
	want(t, "its id", bye.ID, ready.ID)
	wantEnd(t, x)
}
