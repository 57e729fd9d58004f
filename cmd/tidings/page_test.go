package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A long run: go test ./cmd/tidings -run TestPage_ -page.rounds 500 -page.seed 0
var (
	pageSeed   = flag.Uint64("page.seed", 12, "seed of the test of pages; 0: a random one")
	pageRounds = flag.Int("page.rounds", 4, "rounds of the test of pages, each of 60 writes and a comparison")
)

const (
	writersOfPages = 4
	writesOfPages  = 15 // of each writer in a round
)

// pagePosts are the posts of the pages. Writers write to both in one transaction, too.
var pagePosts = []string{"a", "b"}

// A page that events keep up to date equals a page that is loaded again: while writers do
// everything that readers can see, over HTTP and with SQL, pages follow the events over both
// transports of two instances. Then the writers pause, and each page is compared.
func TestPage_KeptUpToDateEqualsPageLoadedAgain(t *testing.T) {
	t.Parallel()
	if *pageSeed == 0 {
		*pageSeed = rand.Uint64N(1_000_000) + 1
	}
	seed := *pageSeed
	s := newSite(t)
	servers := []*server{s.start(t, s.concurrent), s.start(t, s.concurrent, func(i *instance) { i.RingEvents = 1 })}
	s.exec(t, `insert into tidings.posts (id, author_id) select unnest($1::text[]), 'ann'`, pagePosts)
	w := newPageWriters(t, s, servers, seed)
	w.round(t) // pages begin with some comments
	viewers := newPageViewers(t, servers, seed)
	for round := range *pageRounds {
		t.Logf("seed %d, round %d", seed, round)
		var reading errgroup.Group
		for _, v := range viewers {
			reading.Go(func() error { return v.follow(t.Context(), round) })
		}
		w.round(t)
		for _, post := range pagePosts {
			s.exec(t, `select tidings.publish($1, 'pause', to_jsonb($2::int))`, "post:"+post, round)
		}
		streamtest.Must(t, reading.Wait())
		for _, v := range viewers {
			v.compare(t)
		}
		if round%2 == 1 {
			compareComments(t, servers[round/2%2])
		}
		streamtest.Want(t, "counts and tombstones that were wrong", value[int](t, s, `select tidings.recount()`), 0)
		if t.Failed() {
			t.Fatalf("found with -page.seed %d in round %d; events:\n%s", seed, round, s.lastEvents(t, 300))
		}
	}
	t.Logf("writes by kind: %v", w.done)
}

// lastEvents returns the last events of the log.
func (s *site) lastEvents(t *testing.T, n int) string {
	return value[string](t, s, `
		select coalesce(string_agg(concat_ws(' ', position, topic, name, data), e'\n' order by position), '')
		from (select * from tidings.log order by position desc limit $1) as e`, n)
}

// A pageViewer shows a page and follows the events of its topics, in hops from one instance and
// transport to another.
type pageViewer struct {
	name    string
	clients []*client.Client
	list    page.List
	topics  []string
	random  *rand.Rand

	page    *page.Page
	inbox   *page.Inbox // nil if not signed in
	inboxOf client.NotificationOptions
	cursor  string
	hops    int
}

// newPageViewers returns a viewer for each kind of list, half of them signed in, with the first
// page loaded.
func newPageViewers(t *testing.T, servers []*server, seed uint64) (viewers []*pageViewer) {
	t.Helper()
	for i, list := range []page.List{
		{Sort: "newest", Limit: 100}, {Sort: "newest", Limit: 3}, {Sort: "oldest", Limit: 100}, {Sort: "oldest", Limit: 4},
		{Sort: "newest", Flat: true, Limit: 7}, {Sort: "oldest", Flat: true, Limit: 9}, {Sort: "top", Limit: 6},
	} {
		list.Post = pagePosts[i%len(pagePosts)]
		v := &pageViewer{
			name: fmt.Sprintf("viewer %d, %+v", i, list), list: list,
			topics: []string{"post:" + list.Post}, random: rand.New(rand.NewPCG(seed, uint64(100+i))),
			inboxOf: client.NotificationOptions{Limit: []int{100, 6}[i%2], Unread: i == 3 || i == 4},
		}
		signedIn := i%3 < 2
		for _, srv := range servers {
			c := srv.Client
			if signedIn {
				c = srv.as(t, pageUsers[i%3])
			}
			v.clients = append(v.clients, c)
		}
		if signedIn {
			v.topics = append(v.topics, "me")
		}
		streamtest.Must(t, v.load(t.Context()))
		viewers = append(viewers, v)
	}
	return viewers
}

func (v *pageViewer) load(ctx context.Context) (err error) {
	if v.page, err = page.Load(ctx, v.clients[v.random.IntN(2)], v.list); err != nil {
		return err
	}
	v.cursor = v.page.Cursor
	return v.loadInbox(ctx)
}

// loadInbox loads the notifications of a viewer that is signed in. They are newer than the page.
func (v *pageViewer) loadInbox(ctx context.Context) (err error) {
	if len(v.topics) > 1 {
		v.inbox, err = page.LoadInbox(ctx, v.clients[v.random.IntN(2)], v.inboxOf)
	}
	return err
}

// follow reads events up to the pause of the round.
func (v *pageViewer) follow(ctx context.Context, round int) error {
	for {
		v.hops++
		c := v.clients[v.hops%2]
		hop := v.stream
		if v.random.IntN(2) == 0 {
			hop = v.poll
		}
		if v.random.IntN(20) == 0 { // of a history that the database does not have
			v.cursor = "1-" + v.cursor[strings.Index(v.cursor, "-")+1:]
		}
		paused, err := hop(ctx, c, 1+v.random.IntN([]int{4, 40}[v.random.IntN(2)]), round)
		if errors.Is(err, errGap) {
			err = v.load(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if err := v.readMore(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if paused {
			return nil
		}
	}
}

// readMore reads what events do not say, and now and then the next page of a list.
func (v *pageViewer) readMore(ctx context.Context, c *client.Client) error {
	if err := v.page.Fill(ctx, c); err != nil {
		return err
	}
	if v.inbox != nil && v.inbox.Stale() {
		if err := v.loadInbox(ctx); err != nil {
			return err
		}
	}
	if v.inbox != nil && v.inbox.More() && v.random.IntN(30) == 0 {
		if err := v.inbox.LoadMore(ctx, c); err != nil {
			return err
		}
	}
	if v.page.More() && v.random.IntN(30) == 0 {
		if err := v.page.LoadMore(ctx, c); err != nil {
			return err
		}
	}
	if roots := v.page.MoreReplies(); len(roots) > 0 && v.random.IntN(10) == 0 {
		return v.page.LoadReplies(ctx, c, roots[v.random.IntN(len(roots))])
	}
	return nil
}

// stream reads at most so many events.
func (v *pageViewer) stream(ctx context.Context, c *client.Client, events, round int) (paused bool, err error) {
	in, err := c.Stream(ctx, v.topics, v.cursor)
	if err != nil {
		return false, err
	}
	defer in.Close()
	for range events {
		e, err := in.Next()
		if err != nil {
			return false, err
		}
		if paused, err = v.take(e, round); paused || err != nil {
			v.cursor = in.Cursor()
			return paused, err
		}
		v.cursor = in.Cursor()
	}
	return false, nil
}

// poll reads one page of at most so many events.
func (v *pageViewer) poll(ctx context.Context, c *client.Client, events, round int) (paused bool, err error) {
	answer, err := c.Poll(ctx, v.topics, v.cursor, time.Second, events)
	var p *client.Problem
	if errors.As(err, &p) && p.Status == http.StatusGone {
		return false, errGap
	}
	if err != nil {
		return false, err
	}
	v.cursor = answer.Cursor
	for _, e := range answer.Events {
		ended, err := v.take(e, round)
		if err != nil {
			return false, err
		}
		paused = paused || ended
	}
	return paused, nil
}

// take applies an event. paused is true for the pause of the round.
func (v *pageViewer) take(e client.Event, round int) (paused bool, err error) {
	switch e.Name {
	case "stream.gap":
		return false, errGap
	case "pause":
		return string(e.Data) == fmt.Sprint(round), nil
	}
	if v.inbox != nil {
		if err := v.inbox.Apply(e); err != nil {
			return false, err
		}
	}
	return false, v.page.Apply(e)
}

// compare compares the page with the list as it is now.
func (v *pageViewer) compare(t *testing.T) {
	t.Helper()
	c := v.clients[v.random.IntN(2)]
	again, err := page.LoadWhole(t.Context(), c, v.list)
	streamtest.Must(t, err)
	for _, line := range v.page.Differences(again) {
		t.Errorf("%s: %s", v.name, line)
	}
	if v.inbox == nil {
		return
	}
	inbox, err := page.LoadWholeInbox(t.Context(), c, v.inboxOf)
	streamtest.Must(t, err)
	for _, line := range v.inbox.Differences(inbox) {
		t.Errorf("%s: %s", v.name, line)
	}
}

// compareComments compares each comment of the lists with the answers about the comment, and
// checks that the client reads every field of a list.
func compareComments(t *testing.T, srv *server) {
	t.Helper()
	for _, post := range pagePosts {
		answer := srv.get(t, "/v1/posts/"+post+"/comments?limit=100", nil)
		decoder := json.NewDecoder(answer.Body)
		decoder.DisallowUnknownFields()
		var list client.CommentList
		streamtest.Must(t, decoder.Decode(&list))
		for _, root := range list.Data {
			all, err := srv.Replies(t.Context(), root.ID, client.ListOptions{Limit: 100})
			streamtest.Must(t, err)
			first := all.Data[:min(3, len(all.Data))]
			streamtest.Want(t, "the first replies of "+root.ID, asText(t, root.Replies.Data), asText(t, first))
			streamtest.Want(t, "more replies of "+root.ID, root.Replies.Page.More, len(all.Data) > len(first))
			root.Replies = nil
			for _, listed := range slices.Concat([]client.Comment{root}, all.Data) {
				single, err := srv.Comment(t.Context(), listed.ID)
				streamtest.Must(t, err)
				streamtest.Want(t, "comment "+listed.ID, asText(t, single), asText(t, listed))
			}
		}
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	streamtest.Must(t, err)
	return string(text)
}
