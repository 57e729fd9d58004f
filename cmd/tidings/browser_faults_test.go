package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// inOrder ends the test unless the page has the numbers from 1 to last, each once and in order.
func (p *tab) inOrder(last int) {
	p.t.Helper()
	p.await(fmt.Sprintf("the number %d is there", last), fmt.Sprintf(`numbers.at(-1) === %d`, last))
	streamtest.Want(p.t, "numbers out of order", eval[[]int](p, `numbers.filter((n, i) => n !== i + 1)`), []int{})
}

// html answers with a page, as a captive portal does.
func html(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, "<!doctype html><p>Accept the terms of this network")
	return true
}

// A page misses nothing and gets nothing twice while connections are cut, streams are not let
// through, no request is, and instances end.
func TestBrowserClient_ResumesThroughFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	f := newFront(t, one, two)
	cuts, err := tcpproxy.Listen(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(f.url, "http://"))
	})
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, cuts.Close()) })
	address := strings.Replace(f.page(reader(`topics: ['post:1']`)), f.url, "http://"+cuts.Addr(), 1)
	p := newProfile(t).open(address).forgive(`net::ERR_|tidings: .*not_json|Failed to load`)
	p.await("the stream is live", `window.t?.state === 'live'`)
	last := 0
	next := func() { last++; s.number(t, "post:1", last) }

	for range 3 {
		next()
		p.inOrder(last)
		cuts.Cut()
		next()
		p.inOrder(last)
	}
	onlyPolls := func(w http.ResponseWriter, r *http.Request) bool {
		return r.URL.Path == "/v1/events" && html(w, r)
	}
	f.instead.Store(&onlyPolls)
	cuts.Cut()
	next()
	p.await("polls bring the events", `t.state === 'polling'`)
	next()
	p.inOrder(last)
	cuts.Cut()
	next()
	p.inOrder(last)

	nothing := html
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&nothing))
	cuts.Cut()
	next()
	p.await("the server is out of reach", `t.state === 'offline'`)
	f.instead.Store(nil)
	p.run(`dispatchEvent(new Event('online'))`) // as the browser does when the network is back
	p.await("a stream is let through", `t.state === 'live'`)
	next()
	p.inOrder(last)

	f.passTo(t, two)
	one.stop()
	next()
	p.inOrder(last)
	three := s.start(t)
	f.passTo(t, three)
	two.stop()
	next()
	p.inOrder(last)
	streamtest.Want(t, "gaps", eval[int](p, `own.filter(([name]) => name === 'gap').length`), 0)
}

// A token that ends is replaced without a gap. A topic that the user may not read is refused by name,
// and the others go on. A token that is refused is reported once, and another one is used at once.
func clientRenewsTokens(t *testing.T, s *site, srv *server) {
	f := newFront(t, srv)
	sign := func(life time.Duration, topics ...string) string {
		return token(t, auth.Identity{Subject: "ann", Topics: topics, Expires: time.Now().Add(life)})
	}
	html := fmt.Sprintf(`<script>window.tokens = ['%s', '%s'], window.asked = 0</script>`, sign(5*time.Second, "team:7"), sign(time.Hour, "team:7")) +
		reader(`topics: ['team:7', 'team:8', 'me'], getToken: () => tokens[Math.min(asked++, 1)]`)
	p := newProfile(t).open(f.page(html)).forgive(`40[13]|status of|forbidden`)
	p.await("the stream is live", `window.t?.state === 'live'`)
	p.await("another token is used", `asked === 2`)
	s.number(t, "team:7", 1)
	s.number(t, "team:8", 2)
	s.number(t, "user:ann", 3)
	p.await("the events are there", `numbers.length === 2`)
	streamtest.Want(t, "user", eval[string](p, `t.user`), "ann")
	streamtest.Want(t, "what the client has told", eval[string](p, `JSON.stringify(own.map(([name, data]) => [name, data.topics ?? data]))`),
		`[["user","ann"],["refused",["team:8"]]]`)
	streamtest.Eventually(t, "the console names the topic, once", func() bool { return len(p.errors("team:8")) == 1 })

	bad := newProfile(t).open(f.page(reader(`topics: ['me'], token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.no'`))).forgive(`401|invalid_token`)
	bad.await("the token is refused", `window.t?.state === 'offline'`)
	before := f.requests.Load()
	bad.run(fmt.Sprintf(`t.setToken('%s')`, sign(time.Hour)))
	bad.await("the other token is used", `t.state === 'live'`)
	s.number(t, "user:ann", 4)
	bad.await("the event is there", `numbers.at(-1) === 4`)
	streamtest.Want(t, "reports", len(bad.errors("invalid_token")), 1)
	if n := f.requests.Load() - before; n > 8 {
		t.Errorf("%d requests after the refusal", n)
	}
}

// errors returns the messages of the console that contain a text.
func (p *tab) errors(text string) (found []string) {
	for _, line := range p.said() {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// fastClock makes 20 seconds of the client one: until it gives up a request that never ends.
const fastClock = `{
	const { setTimeout: after } = window, { timeout } = AbortSignal;
	window.setTimeout = (fn, ms, ...args) => after(fn, ms / 20, ...args);
	AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 20);
}`

// trickle answers with spaces that never end.
func trickle(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	for r.Context().Err() == nil {
		fmt.Fprint(w, " ")
		w.(http.Flusher).Flush()
		<-time.After(lookEvery)
	}
	return true
}

// Whatever answers in place of the server: nothing is thrown, few requests are made, the state
// is offline, and the console says why, once.
func TestBrowserClient_SurvivesWhatIsNoServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	endless := func(kind string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			for chunk := []byte(strings.Repeat("x", 1<<16)); ; {
				if _, err := w.Write(chunk); err != nil {
					return true
				}
			}
		}
	}
	answer := func(status int, kind, body string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	later := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "100000000")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	page := openTab(t)
	for name, instead := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"Trickle": trickle, "InYears": later,
		"HTML": html, "NotFound": answer(404, "text/html", "<p>404"), "EndlessText": endless("text/html"), "EndlessJSON": endless("application/json"),
		"OtherJSON": answer(200, "application/json", `{"hello": [1, 2]}`), "Null": answer(200, "application/json", `null`),
		"StreamOfNothing": answer(200, "text/event-stream", "data: x\n\nevent: stream.ready\ndata: 7\n\nevent: stream.gap\ndata: null\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, srv)
			f.instead.Store(&instead)
			p := page.in(t)
			if name == "Trickle" {
				p = openTab(t)
				p.before(fastClock)
			}
			p.forgive(`tidings: |Failed to load|net::ERR`)
			told := len(p.errors("tidings: "))
			p.do("open", chromedp.Navigate(f.page(reader(`topics: ['post:1']`))))
			p.await("the client gives up for now", `window.t?.state === 'offline'`)
			streamtest.Want(t, "exceptions", p.errors("exception: "), []string(nil))
			if n := f.requests.Load(); n > 16 {
				t.Errorf("%d requests", n)
			}
			if n := len(p.errors("tidings: ")) - told; n > 2 {
				t.Errorf("the console has %d messages of the client", n)
			}
			eval[bool](p, `t.comments('1').then(() => false, (problem) => problem.name === 'Problem')`)
			if name == "InYears" {
				p.run(`for (let i = 0; i < 50; i++) await fetch(location.href, { cache: 'reload' })`)
				if n := f.requests.Load(); n > 4 {
					t.Errorf("%d requests, although the server asked for none", n)
				}
			}
			f.instead.Store(nil)
			p.run(`dispatchEvent(new Event('online'))`)
			// A stream that is late leads to polls for a minute.
			p.await("the server is found", `t.state === 'live' || t.state === 'polling'`)
			s.number(t, "post:1", 1)
			p.await("events come", `numbers.length > 0`)
		})
	}
}

// A stream is opened when the network is back, although the attempt before ends at the same
// moment, for a reason after which the client would poll.
func clientStreamsWhenTheNetworkIsBack(t *testing.T, _ *site, srv *server) {
	p := openPage(t, srv, `<script>
		window.asked = [];
		const fetches = window.fetch;
		window.fetch = (url, init) => {
			asked.push(new URL(url).pathname);
			return asked.length > 1 ? fetches(url, init) : new Promise((resolve) => { window.answer = resolve });
		};
	</script>`+reader(`topics: ['post:1']`)).forgive(`tidings: `)
	p.await("the first attempt waits", `window.answer`)
	p.run(`dispatchEvent(new Event('online'));
		answer(new Response(null, { headers: { 'Content-Type': 'text/html' } }))`)
	p.await("the client reads", `t.state === 'live' || t.state === 'polling'`)
	streamtest.Want(t, "requests", eval[[]string](p, `asked`), []string{"/v1/events", "/v1/events"})
}

// Two copies of the script on one page, and events with names that nobody has heard of, do no harm.
func clientIsOnThePageTwice(t *testing.T, s *site, srv *server) {
	f := newFront(t, srv)
	p := newProfile(t).open(f.page(reader(`topics: ['post:1']`) + `<script type=module>
		import { Tidings } from '/tidings.js?copy';
		window.others = [];
		(window.u = new Tidings({ topics: ['post:1'] })).on('*', ({ event, data }) => others.push([event, data]));
	</script>`))
	p.await("both are live", `window.t?.state === 'live' && window.u?.state === 'live'`)
	streamtest.Want(t, "streams", f.streams.Load(), 1)
	s.exec(t, `select tidings.publish('post:1', 'constructor', '{"a": 1}')`)
	s.number(t, "post:1", 1)
	p.await("both have the events", `numbers.length === 1 && others.length === 2`)
	streamtest.Want(t, "events of the copy", eval[string](p, `JSON.stringify(others)`), `[["constructor",{"a":1}],["number",1]]`)
	p.run(`t.close(); u.close()`)
	streamtest.Eventually(t, "the connection is closed", func() bool { return f.streams.Load() == 0 })
	streamtest.Want(t, "locks", eval[int](p, `navigator.locks.query().then(({ held, pending }) => held.length + pending.length)`), 0)
}
