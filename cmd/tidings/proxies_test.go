package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// allProxies is set by make test-proxies.
var allProxies = flag.Bool("proxies", false, "test all proxies of docs/proxies.md, and their idle timeouts, which takes two minutes")

// A proxyCase is a configuration of docs/proxies.md, or two in a row.
type proxyCase struct {
	// blocks name the configurations, from the one in front to the one before the server.
	blocks []string
	kinds  []string // of the blocks, keys of proxyKinds
	below  string   // the path below which the server is
	always bool     // part of make test
	// slowLeave is set if the proxy learns only from a heartbeat that a reader left.
	slowLeave bool
	// clientHost is set if the proxy passes on an X-Forwarded-Host that a client has sent.
	clientHost bool
}

var proxyCases = map[string]proxyCase{
	"nginx":           {blocks: []string{"one-hop"}, kinds: []string{"nginx"}, always: true},
	"nginxTwoHops":    {blocks: []string{"one-hop", "inner"}, kinds: []string{"nginx", "nginx"}, always: true},
	"nginxBelowAPath": {blocks: []string{"sub-path"}, kinds: []string{"nginx"}, below: "/live", always: true},
	"nginxHTTP2":      {blocks: []string{"http2"}, kinds: []string{"nginx over TLS"}, always: true},
	"HAProxy":         {blocks: []string{"haproxy"}, kinds: []string{"haproxy"}, always: true},
	"Caddy":           {blocks: []string{"caddy"}, kinds: []string{"caddy"}},
	"Apache":          {blocks: []string{"apache"}, kinds: []string{"apache"}, slowLeave: true},
	"Varnish":         {blocks: []string{"varnish"}, kinds: []string{"varnish"}},
	"Squid":           {blocks: []string{"squid"}, kinds: []string{"squid"}},
	"lighttpd":        {blocks: []string{"lighttpd"}, kinds: []string{"lighttpd"}, slowLeave: true},
	"h2o":             {blocks: []string{"h2o"}, kinds: []string{"h2o"}, slowLeave: true, clientHost: true},
}

// A proxiedSite is a server behind the proxies of a case. The clients of its server make
// requests to the proxy in front, from 127.0.0.2.
type proxiedSite struct {
	*server
	front  *proxy
	direct *server
	proxyCase
}

// startProxied runs a case.
func startProxied(t *testing.T, c proxyCase) *proxiedSite {
	t.Helper()
	direct := newSite(t).start(t, func(i *instance) {
		i.TrustedProxies, i.PublicKinds = []string{"127.0.0.1"}, []string{"test"}
	})
	upstream := strings.TrimPrefix(direct.url, "http://")
	var front *proxy
	for n := len(c.blocks) - 1; n >= 0; n-- {
		front = startProxy(t, proxyKinds[c.kinds[n]], pageConfig(t, c.blocks[n]), upstream)
		upstream = front.address
	}
	return &proxiedSite{front.server(t, c.below, "127.0.0.2"), front, direct, c}
}

// server calls the server behind the proxy.
func (p *proxy) server(t *testing.T, below, from string) *server {
	t.Helper()
	h := p.client(t, from)
	c, err := client.New(p.url()+below, client.WithHTTPClient(h))
	streamtest.Must(t, err)
	return &server{Client: c, url: p.url() + below, http: h}
}

// proxyChecks are what each proxy must do. Each gets its own topic.
var proxyChecks = map[string]func(t *testing.T, s *proxiedSite, id string){
	"FirstEventComesAtOnce":      checkFirstEvent,
	"EventsAreNotDelayed":        checkDelay,
	"PageWritesToItsOwnServer":   checkOwnPost,
	"CookiesPass":                checkCookie,
	"AddressesPass":              checkAddresses,
	"EncodedIDsPass":             checkEncodedID,
	"ReadersResume":              checkResume,
	"FiftyMixedRequests":         checkMixedRequests,
	"PollWaitsFor28s":            checkPoll,
	"StreamIsIdleFor80s":         checkIdle,
	"LocationOfACommentIsUsable": checkLocation,
}

// longChecks are part of make test-proxies only.
var longChecks = map[string]bool{"PollWaitsFor28s": true, "StreamIsIdleFor80s": true}

// The configurations of docs/proxies.md work. make test runs those of nginx and HAProxy
// without the long waits.
func TestProxies(t *testing.T) {
	t.Parallel()
	for name, c := range proxyCases {
		if !c.always && !*allProxies {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startProxied(t, c)
			t.Run("Checks", func(t *testing.T) {
				for check, run := range proxyChecks {
					if longChecks[check] && !*allProxies {
						continue
					}
					t.Run(check, func(t *testing.T) {
						t.Parallel()
						run(t, s, "proxied-"+strings.ToLower(check))
					})
				}
			})
			t.Run("ReaderThatLeavesIsNoticed", func(t *testing.T) { checkLeave(t, s) })
			t.Run("StreamsEndWithBye", func(t *testing.T) { checkBye(t, s) })
		})
	}
}

// Every configuration on the page is run by a case.
func TestProxies_CoverThePage(t *testing.T) {
	t.Parallel()
	used := make(map[string]bool)
	for _, c := range proxyCases {
		for _, name := range c.blocks {
			used[name] = true
		}
	}
	for _, name := range found(readText(t, proxiesPage), "(?m)^```\\w+ (\\S+)$") {
		if !used[name] {
			t.Errorf("no case runs the configuration %s", name)
		}
	}
	for _, block := range regexp.MustCompile("(?m)^```\\w+$").FindAllString(readText(t, proxiesPage), -1) {
		t.Errorf("a block %s has no name", block)
	}
}

// service is the server as a program of the site calls it.
func (s *proxiedSite) service(t *testing.T) *client.Client {
	t.Helper()
	return s.as(t, "backend", "service")
}

// publish publishes events with numbers as data, past the proxy.
func (s *proxiedSite) publish(t *testing.T, topic string, numbers ...int) {
	t.Helper()
	backend := s.direct.as(t, "backend", "service")
	for _, n := range numbers {
		streamtest.Must(t, backend.Publish(patient(t), topic, "number", n))
	}
}

// numbered matches an event of publish.
func numbered(n int) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == "number" && string(e.Data) == fmt.Sprint(n) }
}

// A proxy that buffers would hold stream.ready back until the first 4 KB are there, and
// events until the stream ends. How soon they come is measured by checkDelay.
func checkFirstEvent(t *testing.T, s *proxiedSite, id string) {
	x := sse(t, s.Client, "now", "test:"+id)
	x.await(t, "the beginning", named("stream.ready"))
	s.publish(t, "test:"+id, 1)
	x.await(t, "the event", numbered(1))
}

// mostDelay is less than what HAProxy adds to each event without http-no-delay, 200 ms.
const mostDelay = 150 * time.Millisecond

// The fastest of many events is fast on a slow machine, too.
func checkDelay(t *testing.T, s *proxiedSite, id string) {
	x := sse(t, s.Client, "now", "test:"+id)
	x.await(t, "the beginning", named("stream.ready"))
	fastest := time.Hour
	for n := 0; n < 200 && (n < 10 || fastest > mostDelay); n++ {
		started := time.Now()
		s.publish(t, "test:"+id, n)
		x.await(t, "an event", numbered(n))
		fastest = min(fastest, time.Since(started))
	}
	if fastest > mostDelay {
		t.Errorf("the fastest event took %v", fastest)
	}
}

// page makes a request as a page of the site does: with its origin, and the cookie.
func (s *proxiedSite) page(t *testing.T, method, path, body string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(patient(t), method, s.url+path, strings.NewReader(body))
	streamtest.Must(t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	if method != http.MethodGet {
		r.Header.Set("Origin", s.front.url())
	}
	answer, err := s.http.Do(r)
	streamtest.Must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// wantStatus ends the test unless the answer has the status, and shows its body.
func wantStatus(t *testing.T, answer *http.Response, status int) {
	t.Helper()
	if answer.StatusCode != status {
		body, _ := io.ReadAll(answer.Body)
		t.Fatalf("the answer is %s, want %d: %s", answer.Status, status, body)
	}
}

func bearer(t *testing.T, user string, roles ...string) string {
	t.Helper()
	return "Bearer " + token(t, auth.Identity{Subject: user, Roles: roles, Expires: time.Now().Add(time.Hour)})
}

func checkOwnPost(t *testing.T, s *proxiedSite, id string) {
	answer := s.page(t, "POST", "/v1/posts/"+id+"/comments", `{"body":"mine"}`, http.Header{"Authorization": {bearer(t, "ann")}})
	wantStatus(t, answer, http.StatusCreated)
	if s.clientHost {
		return
	}
	foreign := http.Header{"Authorization": {bearer(t, "ann")}, "X-Forwarded-Host": {"evil.example"}}
	r := s.page(t, "POST", "/v1/posts/"+id+"/comments", `{"body":"mine"}`, foreign) // a client cannot choose the host
	wantStatus(t, r, http.StatusCreated)
}

// checkCookie uses a cookie as a page over TLS does, and as one over plain HTTP does: browsers then
// send no Sec-Fetch-Site, so that only Origin, Referer and Host tell the page of the site from others.
func checkCookie(t *testing.T, s *proxiedSite, id string) {
	cookie := []string{"theme=dark; tidings_token=" + strings.TrimPrefix(bearer(t, "ann"), "Bearer ")}
	for _, header := range []http.Header{
		{"Cookie": cookie, "Sec-Fetch-Site": {"same-origin"}},
		{"Cookie": cookie, "Referer": {s.front.url() + "/page"}},
	} {
		wantStatus(t, s.page(t, "GET", "/v1/notifications", "", header), http.StatusOK)
		wantStatus(t, s.page(t, "PUT", "/v1/posts/"+id+"/like", "", header), http.StatusOK)
		wantStatus(t, s.page(t, "POST", "/v1/posts/"+id+"/comments", `{"body":"mine"}`, header), http.StatusCreated)
		wantStatus(t, s.page(t, "GET", "/v1/posts/"+id+"/comments", "", header), http.StatusOK)
	}
	foreign := http.Header{"Cookie": cookie, "Referer": {"https://evil.example/"}}
	wantStatus(t, s.page(t, "GET", "/v1/notifications", "", foreign), http.StatusUnauthorized)
	wantStatus(t, s.page(t, "GET", "/v1/posts/"+id+"/comments", "", foreign), http.StatusOK)
}

// The server sees the client's address, and not one that the client made up.
func checkAddresses(t *testing.T, s *proxiedSite, _ string) {
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		seen, err := s.front.server(t, s.below, from).as(t, "backend", "service").Connection(patient(t))
		streamtest.Must(t, err)
		streamtest.Want(t, "the address", seen.Address, from)
	}
	answer := s.page(t, "GET", "/v1/connection", "", http.Header{
		"Authorization": {bearer(t, "backend", "service")}, "X-Forwarded-For": {"198.51.100.7"},
	})
	wantStatus(t, answer, http.StatusOK)
	var seen client.Connection
	streamtest.Must(t, json.NewDecoder(answer.Body).Decode(&seen))
	streamtest.Want(t, "the address", seen.Address, "127.0.0.2")
}

func checkEncodedID(t *testing.T, s *proxiedSite, id string) {
	for _, id := range []string{id + "/a/b", id + ":a|b", id + "@x.org", id + "+a=b,c~d"} {
		put, err := s.service(t).PutPost(patient(t), id, client.PostInput{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the id", put.ID, id)
		got, err := s.Post(patient(t), id)
		streamtest.Must(t, err)
		streamtest.Want(t, "the id", got.ID, id)
	}
}

// A reader whose connection is cut gets the events since then, each once.
func checkResume(t *testing.T, s *proxiedSite, id string) {
	topic := "test:" + id
	x := sse(t, s.Client, "now", topic)
	x.await(t, "the beginning", named("stream.ready"))
	s.publish(t, topic, 1, 2)
	last := x.await(t, "the second event", numbered(2))
	streamtest.Must(t, x.stream.Close())
	s.publish(t, topic, 3, 4)
	again := listen(t, s.Client, last.ID, []string{topic}, client.WithLastEventID())
	s.publish(t, topic, 5)
	again.await(t, "the last event", numbered(5))
	var got []string
	for _, e := range again.seen {
		got = append(got, string(e.Data))
	}
	streamtest.Want(t, "the events after the cut", got, []string{"3", "4", "5"})
}

// Requests of all kinds, with streams and polls between them, use the proxy's connections
// to the server in turns. Each gets its own answer.
func checkMixedRequests(t *testing.T, s *proxiedSite, id string) {
	ctx := patient(t)
	var group errgroup.Group
	for worker := range 5 {
		post := fmt.Sprint(id, worker)
		user := s.as(t, "mixed"+fmt.Sprint(worker))
		group.Go(func() error {
			for round := range 2 {
				if err := mixedRequests(ctx, user, post, round); err != nil {
					return fmt.Errorf("%s, round %d: %w", post, round, err)
				}
			}
			return nil
		})
	}
	streamtest.Must(t, group.Wait())
}

// mixedRequests makes five requests for a post, one after the other, and checks that each
// answer is about this post.
func mixedRequests(ctx context.Context, c *client.Client, post string, round int) error {
	made, err := c.CreateComment(ctx, post, client.NewComment{Body: fmt.Sprint(post, " round ", round)})
	if err != nil {
		return err
	}
	page, err := c.Poll(ctx, []string{"post:" + post}, "now", 0, 0)
	if err != nil {
		return err
	}
	answered := make(chan error, 1)
	go func() { // waits until the next comment
		page, err := c.Poll(ctx, []string{"post:" + post}, page.Cursor, 20*time.Second, 0)
		if err == nil && (len(page.Events) == 0 || page.Events[0].Topic != "post:"+post) {
			err = fmt.Errorf("the poll got %v", page)
		}
		answered <- err
	}()
	if _, err := c.CreateComment(ctx, post, client.NewComment{Body: "again"}); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	list, err := c.Comments(ctx, post, client.ListOptions{})
	if err != nil {
		return err
	}
	if n := len(list.Data); n != 2*round+2 || list.Data[1].ID != made.ID {
		return fmt.Errorf("the list has %d comments, the second is %v", n, list.Data[1])
	}
	return nil
}

// soon is less than the time to the first heartbeat, 13.5 s.
const soon = 10 * time.Second

// checkLeave checks that the server no longer counts a reader that has left, before a
// heartbeat could show it, unless the case is slow. It needs a server without other readers.
func checkLeave(t *testing.T, s *proxiedSite) {
	s.awaitReaders(t, 0)
	x := sse(t, s.Client, "now", "test:leave")
	x.await(t, "the beginning", named("stream.ready"))
	s.awaitReaders(t, 1)
	left := time.Now()
	streamtest.Must(t, x.stream.Close())
	s.awaitReaders(t, 0)
	took := time.Since(left).Round(time.Millisecond)
	t.Logf("noticed after %v", took)
	if took > soon && !s.slowLeave {
		t.Errorf("the server noticed after %v that the reader left", took)
	}
}

// awaitReaders waits until the server counts this many streams.
func (s *proxiedSite) awaitReaders(t *testing.T, n int) {
	t.Helper()
	line := fmt.Sprintf("\ntidings_readers{transport=%q} %d\n", "sse", n)
	streamtest.Eventually(t, fmt.Sprint("the number of streams is ", n), func() bool {
		answer := s.direct.get(t, "/metrics", nil)
		defer answer.Body.Close()
		metrics, err := io.ReadAll(answer.Body)
		streamtest.Must(t, err)
		return strings.Contains(string(metrics), line)
	})
}

func checkPoll(t *testing.T, s *proxiedSite, id string) {
	head, err := s.Poll(patient(t), []string{"test:" + id}, "now", 0, 0)
	streamtest.Must(t, err)
	page, err := s.Poll(patient(t), []string{"test:" + id}, head.Cursor, 28*time.Second, 0)
	streamtest.Must(t, err)
	streamtest.Want(t, "the number of events", len(page.Events), 0)
}

// A stream that has only heartbeats for 80 s stays open.
func checkIdle(t *testing.T, s *proxiedSite, id string) {
	x := sse(t, s.Client, "now", "test:"+id)
	x.await(t, "the beginning", named("stream.ready"))
	<-time.After(80 * time.Second)
	s.publish(t, "test:"+id, 1)
	x.await(t, "the event after 80 s", numbered(1))
}

// The Location of a new comment is an address that the client can use.
func checkLocation(t *testing.T, s *proxiedSite, id string) {
	answer := s.page(t, "POST", "/v1/posts/"+id+"/comments", `{"body":"where"}`, http.Header{"Authorization": {bearer(t, "ann")}})
	wantStatus(t, answer, http.StatusCreated)
	at, err := answer.Location()
	streamtest.Must(t, err)
	base, err := url.Parse(s.url + "/v1/comments/")
	streamtest.Must(t, err)
	streamtest.Want(t, "the host of the Location", at.Host, base.Host)
	if !strings.HasPrefix(at.Path, base.Path) {
		t.Errorf("Location is %s, want a path below %s", at, base.Path)
	}
}

// checkBye stops the server, and reads the end of a stream through the proxy.
func checkBye(t *testing.T, s *proxiedSite) {
	x := sse(t, s.Client, "now", "test:bye")
	x.await(t, "the beginning", named("stream.ready"))
	var stopped sync.WaitGroup
	stopped.Go(s.direct.stop)
	bye := x.await(t, "bye", named("stream.bye"))
	streamtest.Want(t, "bye", string(bye.Data), `{"reason":"shutdown"}`)
	wantEnd(t, x)
	stopped.Wait()
}
