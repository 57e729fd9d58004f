package client

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"
)

func TestPoll(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		cursor string
		wait   time.Duration
		limit  int
		query  string
		answer string
		want   Page
	}{
		{"Events", "1-5", 25 * time.Second, 100, "cursor=1-5&limit=100&topic=post%3A42&topic=me&wait=25",
			`{"events":[{"id":"1-6","event":"like-update","topic":"post:42","data":{"count":1}},` +
				`{"event":"typing","topic":"post:42","data":{}}],"cursor":"1-6","more":true}`,
			Page{Events: []Event{named("1-6", "like-update", "post:42", `{"count":1}`), named("", "typing", "post:42", `{}`)},
				Cursor: "1-6", More: true}},
		{"Timeout", "1-5", 0, 0, "cursor=1-5&topic=post%3A42&topic=me&wait=0",
			`{"events":[],"cursor":"1-5","more":false}`, Page{Events: []Event{}, Cursor: "1-5"}},
		{"FromNow", "", -1, 0, "topic=post%3A42&topic=me",
			`{"events":[],"cursor":"1-5","more":false}`, Page{Events: []Event{}, Cursor: "1-5"}},
		{"WaitIsRoundedUp", "", 1200 * time.Millisecond, 0, "topic=post%3A42&topic=me&wait=2",
			`{"cursor":"1-5"}`, Page{Cursor: "1-5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/poll" || r.URL.RawQuery != tt.query {
					t.Errorf("got %s, want %s", r.RequestURI, tt.query)
				}
				answer(w, http.StatusOK, "application/json", tt.answer)
			})
			page, err := c.Poll(t.Context(), []string{"post:42", "me"}, tt.cursor, tt.wait, tt.limit)
			if err != nil || !reflect.DeepEqual(page, tt.want) {
				t.Errorf("got %+v, %v\nwant %+v", page, err, tt.want)
			}
		})
	}
}

func TestPollFromAGoneCursor(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusGone, "application/problem+json", `{"code":"cursor_gone","reason":"restored","from":"1-5","resumed":"2-3"}`)
	})
	_, err := c.Poll(t.Context(), []string{"me"}, "1-5", 0, 0)
	var p *Problem
	if !errors.As(err, &p) || p.Reason != "restored" || p.Resumed != "2-3" {
		t.Errorf("got %v", err)
	}
}
