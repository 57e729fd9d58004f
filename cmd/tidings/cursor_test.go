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
	"github.com/tidings-live/tidings/stream/streamtest"
)

type gap struct {
	Reason  string `json:"reason"`
	From    string `json:"from"`
	Resumed string `json:"resumed"`
}

// A cursor that cannot be resumed gets a gap. The events 1 to 4 are removed; 5 to 10 are
// of the first epoch, 11 is of another.
func TestCursor_ResumesOrGetsAGap(t *testing.T) {
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
	head := 11 // each subtest below adds an event, so they run one after the other

	for _, c := range []struct{ name, cursor, reason string }{
		{"TooOldHasExpired", "1-3", "expired"},
		{"TheVeryFirstHasExpired", "1-0", "expired"},
		{"FromTheFutureWasRestored", in(999), "restored"},
		{"BeyondTheEndOfItsEpochWasRestored", "1-11", "restored"},
		{"OfAnUnknownEpochWasRestored", "7-8", "restored"},
	} {
		passed := t.Run(c.name, func(t *testing.T) {
			expected := gap{c.reason, c.cursor, in(head)}
			_, err := one.Poll(t.Context(), []string{"post:a"}, c.cursor, 0, 0)
			p := wantProblem(t, err, http.StatusGone, "cursor_gone")
			streamtest.Want(t, "the problem", gap{p.Reason, p.From, p.Resumed}, expected)

			x := sse(t, two.Client, c.cursor, "post:a")
			streamtest.Want(t, "the id of the first event", x.await(t, "the first event", anything).ID, c.cursor)
			second := x.await(t, "a gap", anything)
			streamtest.Want(t, "the second event", second.Name, "stream.gap")
			streamtest.Want(t, "the gap", decode[gap](t, second), expected)
			streamtest.Want(t, "the id of the gap", second.ID, in(head))
			s.tick(t, head+1)
			head++
			next := x.await(t, "a live event", anything)
			streamtest.Want(t, "the id after the gap", next.ID, in(head))
			page, err := one.Poll(t.Context(), []string{"post:a"}, p.Resumed, longPoll, 0)
			streamtest.Must(t, err)
			streamtest.Want(t, "the events of a poll", page.Events, []client.Event{{ID: next.ID, Name: "tick", Topic: "post:a", Data: next.Data}})
		})
		if !passed {
			return // the following subtests would wait for events that do not come
		}
	}

	for _, c := range []struct {
		name, cursor string
		first        int
	}{
		{"AtTheFloorResumes", "1-4", 5},
		{"OfAnEarlierEpochResumes", "1-9", 10},
		{"AtTheEndOfItsEpochResumes", "1-10", 11},
		{"OfThisEpochResumes", in(11), 12},
		{"EarliestIsTheFirstEventLeft", "earliest", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, x := range tapsOn(t, c.cursor, []string{"post:a"}, one, two) {
				for n := c.first; n <= head; n++ {
					streamtest.Want(t, x.name, string(x.await(t, "a tick", named("tick")).Data), fmt.Sprint(n))
				}
			}
		})
	}
}

// anything matches each event.
func anything(client.Event) bool { return true }

func TestMalformedCursor_IsRefused(t *testing.T) {
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
		if strings.TrimSpace(cursor) == cursor { // spaces around the value of a header are not part of the value
			_, err = srv.Stream(t.Context(), topics, cursor, client.WithLastEventID(), client.WithParam("cursor", "1-0"))
			wantProblem(t, err, http.StatusBadRequest, "invalid_cursor")
		}
	}
}

func TestLastEventID_TakesPrecedenceOverCursor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	for n := range 3 {
		s.tick(t, n+1)
	}

	x := listen(t, srv.Client, "1-1", []string{"post:a"}, client.WithLastEventID(), client.WithParam("cursor", "1-2"))
	streamtest.Want(t, "the id of the first event", x.await(t, "the first event", anything).ID, "1-1")
	streamtest.Want(t, "the first event", x.await(t, "a tick", named("tick")).ID, "1-2")
	streamtest.Want(t, "the last event", x.await(t, "a tick", named("tick")).ID, "1-3")

	query := url.Values{"topic": {"post:a"}, "cursor": {"1-2"}}
	answer := srv.get(t, "/v1/poll?"+query.Encode(), http.Header{"Last-Event-Id": {"1-1"}})
	var page client.Page
	streamtest.Must(t, json.NewDecoder(answer.Body).Decode(&page))
	streamtest.Want(t, "events of the poll", len(page.Events), 2)
	streamtest.Want(t, "Next-Cursor", answer.Header.Get("Next-Cursor"), "1-3")

	// An empty header counts as none.
	answer = srv.get(t, "/v1/poll?"+query.Encode(), http.Header{"Last-Event-Id": {""}})
	streamtest.Must(t, json.NewDecoder(answer.Body).Decode(&page))
	streamtest.Want(t, "events after the cursor", len(page.Events), 1)
}

// A stream that has reached its greatest age ends with a cursor to resume from.
func TestMaxAge_EndsAStream(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t, func(i *instance) { i.MaxAge = time.Second })
	x := sse(t, srv.Client, "now", "post:a")
	ready := x.await(t, "the first event", anything)
	bye := x.await(t, "the end", named("stream.bye"))
	streamtest.Want(t, "bye", string(bye.Data), `{"reason":"age"}`)
	streamtest.Want(t, "the id of the last event", bye.ID, ready.ID)
	wantEnd(t, x)
}
