package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A long run: go test ./cmd/tidings -run TestBrowser_Pages -browser.rounds 100 -page.seed 0
var browserRounds = flag.Int("browser.rounds", 1, "rounds of the test of pages in a browser")

// A browserList is a list that a thread of the page shows.
type browserList struct {
	Post  string `json:"post"`
	Sort  string `json:"sort"`
	Flat  bool   `json:"flat"`
	Limit int    `json:"limit"`
	User  string `json:"user"` // "": nobody
}

// browserLists are the lists of the test: each kind, half of them as a user.
var browserLists = []browserList{
	{"a", "newest", false, 100, "ann"}, {"b", "newest", false, 3, "ben"}, {"a", "oldest", false, 100, ""},
	{"b", "oldest", false, 4, "ann"}, {"a", "newest", true, 7, "ben"}, {"b", "oldest", true, 9, ""}, {"a", "top", false, 6, "ann"},
}

// Threads and inboxes in a browser equal lists that are read again: while writers do everything
// that readers can see, over HTTP and with SQL, and readers load more, write and like, connections
// are closed and cursors are replaced by those of an unknown history. Then the writers pause, and
// each list is compared.
func TestBrowser_PagesKeptUpToDateEqualPagesLoadedAgain(t *testing.T) {
	t.Parallel()
	if *pageSeed == 0 {
		*pageSeed = rand.Uint64N(1_000_000) + 1
	}
	seed := *pageSeed
	s := newSite(t)
	servers := []*server{s.start(t), s.start(t, func(i *instance) { i.RingEvents = 1 })}
	s.exec(t, `insert into tidings.posts (id, author_id) select unnest($1::text[]), 'ann'`, pagePosts)
	w := newPageWriters(t, s, servers, seed)
	w.round(t)
	f := newFront(t, servers...)
	random := rand.New(rand.NewPCG(seed, 200)) // guarded by the mutex of the front
	f.edit = func(r *http.Request) {
		if query := r.URL.Query(); random.IntN(8) == 0 && query.Get("cursor") != "" {
			_, position, _ := strings.Cut(query.Get("cursor"), "-")
			query.Set("cursor", "1-"+position)
			r.URL.RawQuery = query.Encode()
		}
	}
	script, err := os.ReadFile("testdata/browser/page.js")
	streamtest.Must(t, err)
	p := newProfile(t).open(f.page(`<script type="module">` + string(script) + `</script>`))
	p.forgive(`Failed to load resource|tidings: .*unreachable`)
	p.await("the script", `window.start`)
	tokens := map[string]string{"": ""}
	for _, user := range []string{"ann", "ben"} {
		tokens[user] = token(t, auth.Identity{Subject: user, Name: "The " + user, Expires: time.Now().Add(time.Hour)})
	}
	p.run(fmt.Sprintf(`await start(%s, %s, %d)`, asText(t, browserLists), asText(t, tokens), seed))
	for round := range *browserRounds {
		t.Logf("seed %d, round %d", seed, round)
		p.run(`act()`)
		w.round(t)
		f.cut()
		w.round(t)
		p.run(`await rest()`)
		p.awaitPause(s, round)
		comparePages(t, p, servers)
		if t.Failed() {
			t.Fatalf("found with -page.seed %d in round %d; events:\n%s", seed, round, s.lastEvents(t, 300))
		}
	}
	p.run(`await readAll()`)
	comparePages(t, p, servers)
	t.Logf("writes by kind: %v", w.done)
}

// awaitPause waits until the page has got all events of the site, and has read what they ask for.
// The pause is published again, because a gap may swallow it.
func (p *tab) awaitPause(s *site, round int) {
	p.t.Helper()
	streamtest.Eventually(p.t, "the pause", func() bool {
		for _, post := range pagePosts {
			s.exec(p.t, `select tidings.publish($1, 'pause', to_jsonb($2::int))`, "post:"+post, round)
		}
		return eval[bool](p, fmt.Sprintf(`quiet(%d)`, round))
	})
}

// comparePages compares what the page shows with lists that are read now.
func comparePages(t *testing.T, p *tab, servers []*server) {
	t.Helper()
	var shown struct {
		Threads []client.CommentList
		Inboxes map[string]client.NotificationList
		Acted   int
	}
	decoder := json.NewDecoder(strings.NewReader(eval[string](p, `shown()`)))
	decoder.DisallowUnknownFields()
	streamtest.Must(t, decoder.Decode(&shown))
	as := func(user string) *client.Client {
		if user == "" {
			return servers[0].Client
		}
		return servers[0].as(t, user)
	}
	for i, l := range browserLists {
		list := page.List{Post: l.Post, Sort: l.Sort, Flat: l.Flat, Limit: l.Limit}
		got, err := page.Of(list, shown.Threads[i])
		streamtest.Must(t, err)
		again, err := page.LoadWhole(t.Context(), as(l.User), list)
		streamtest.Must(t, err)
		for _, line := range got.Differences(again) {
			t.Errorf("thread %+v: %s", l, line)
		}
	}
	for user, inbox := range shown.Inboxes {
		again, err := page.LoadWholeInbox(t.Context(), as(user), client.NotificationOptions{})
		streamtest.Must(t, err)
		for _, line := range page.InboxOf(inbox).Differences(again) {
			t.Errorf("inbox of %s: %s", user, line)
		}
	}
	t.Logf("acts of the page: %d", shown.Acted)
}
