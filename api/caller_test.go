package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Every reader is told as whom it reads: by stream.ready, by the answer of a poll, and by
// lists.
func TestReadersAreToldWhoTheyAre(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, readersAreToldWhoTheyAre)
}

func readersAreToldWhoTheyAre(t *testing.T, way func(*setup)) {
	r := newRig(t, way)
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('42', 'eve', 'x')`)
	user := func(data string) *string {
		var told map[string]any
		streamtest.Must(t, json.Unmarshal([]byte(data), &told))
		id, found := told["user"]
		if !found {
			t.Errorf("there is no user in %s", data)
		}
		if id == nil {
			return nil
		}
		text, _ := id.(string)
		return &text
	}
	ann := "ann"
	bearer := as(t, "ann")
	expired := header("Cookie", "tidings_token="+tokenUntil(t, time.Now().Add(-time.Hour), "ann"))
	own := header("Sec-Fetch-Site", "same-origin")
	cookie := header("Cookie", "tidings_token="+token(t, "ann"))
	for name, c := range map[string]struct {
		edits  []edit
		ticket bool
		want   *string
	}{
		"without a token":            {nil, false, nil},
		"with a token":               {[]edit{bearer}, false, &ann},
		"with a cookie":              {[]edit{cookie, own}, false, &ann},
		"with an expired cookie":     {[]edit{expired, own}, false, nil},
		"with a cookie of elsewhere": {[]edit{cookie, header("Sec-Fetch-Site", "cross-site"), header("Origin", page)}, false, &ann},
		"with a ticket":              {nil, true, &ann},
	} {
		wait := "&wait=0"
		if name == "with a token" { // each wait takes a second
			wait = "&wait=1"
		}
		ticket := func() string {
			if !c.ticket {
				return ""
			}
			return "&ticket=" + r.ticket(t, bearer, `["post:42"]`)
		}
		s := r.follow(t, "topic=post:42"+ticket(), c.edits...)
		streamtest.Want(t, "the user of stream.ready "+name, user(s.event("stream.ready").field("data")), c.want)
		for _, query := range []string{"cursor=now", "cursor=earliest", "cursor=" + r.head(t) + wait} {
			poll := r.do(t, "GET", "/v1/poll?topic=post:42&"+query+ticket(), c.edits...)
			streamtest.Want(t, "the status of a poll", poll.status, http.StatusOK)
			streamtest.Want(t, "the user of a poll "+name+", "+query, user(poll.body), c.want)
		}
		if !c.ticket {
			list := r.do(t, "GET", "/v1/posts/42/comments", c.edits...)
			streamtest.Want(t, "the user of a list "+name, user(list.body), c.want)
		}
	}
	list := r.do(t, "GET", "/v1/notifications", bearer)
	streamtest.Want(t, "the user of notifications", user(list.body), &ann)
}
