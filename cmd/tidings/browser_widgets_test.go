package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// bellScript lets a page look into the shadow root of the first <tidings-bell>.
const bellScript = `<script>
	const bell = (selector) => document.querySelector('tidings-bell').shadowRoot.querySelector(selector);
	const bellAll = (selector) => [...document.querySelector('tidings-bell').shadowRoot.querySelectorAll(selector)];
</script>`

// One call reads the counts of 100 posts, or of as many as fit into a request that proxies accept.
// With live, an element follows the events, and one that the connection has no room for is read
// with the others.
func TestElements_CountInOneCall(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	for n := range 5 {
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'post' || $1::text, 'ben', 'text' from generate_series(0, $2)`, fmt.Sprint(n), n)
	}
	_, err := srv.as(t, "ben").LikePost(t.Context(), "post0")
	streamtest.Must(t, err)
	var calls, longest atomic.Int64
	target, err := url.Parse(srv.url)
	streamtest.Must(t, err)
	pass := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/counts") {
			calls.Add(1)
			longest.Store(max(longest.Load(), int64(len(r.RequestURI))))
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(counted.Close)
	var body strings.Builder
	for n := range 150 {
		fmt.Fprintf(&body, "<tidings-count post=post%d>…</tidings-count>", n)
	}
	p := openElements(t, newFront(t, &server{url: counted.URL}), body.String()+"<tidings-count id=likes of=likes post=post0></tidings-count><tidings-count id=live live post=post1></tidings-count>").forgive(`too_many_topics`)
	p.await("all counts", `[...document.querySelectorAll('tidings-count')].every((node) => /^\d+$/.test(node.shadowRoot?.textContent))`)
	streamtest.Want(t, "counts", eval[string](p, `[...document.querySelectorAll('tidings-count')].map((node) => node.shadowRoot.textContent).filter((n) => n !== '0').join()`), "1,2,3,4,5,1,2")
	streamtest.Want(t, "calls for 152 elements of 150 posts", calls.Load(), 2)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('post0', 'ben', 'text'), ('post1', 'ben', 'text')`)
	p.await("the live one follows", `live.shadowRoot.textContent === '3'`)
	streamtest.Want(t, "calls", calls.Load(), 2)

	p.run(`document.body.replaceChildren(...Array.from({ length: 120 }, (_, n) => {
		const node = document.createElement('tidings-count');
		node.post = '/'.repeat(100) + n;
		return node;
	}))`)
	p.await("the counts of 120 posts with long ids", `[...document.querySelectorAll('tidings-count')].every((node) => node.shadowRoot?.textContent === '0')`)
	if n := longest.Load(); n > 8000 {
		t.Errorf("an address has %d bytes", n)
	}
	p.run(`document.body.innerHTML = Array.from({ length: 60 }, (_, n) => '<tidings-count live post=post' + n + '></tidings-count>').join('')`)
	p.await("all counts", `[...document.querySelectorAll('tidings-count')].every((node) => node.shadowRoot?.textContent)`)
	var refused []string
	streamtest.Eventually(t, "the console names the posts that are not live", func() bool {
		refused = regexp.MustCompile(`post:post\d+`).FindAllString(strings.Join(p.errors("too_many_topics"), " "), -1)
		return len(refused) == 10
	})
	p.run(`document.body.insertAdjacentHTML('beforeend', '<tidings-comments post=` + strings.TrimPrefix(refused[0], "post:") + `></tidings-comments>')`)
	p.await("a thread of one of them", `$('.badge')?.dataset.state === 'live' && $('.title')?.textContent`)
	title := eval[string](p, `$('.title').textContent`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'post' || n, 'ben', 'more' from generate_series(0, 59) n`)
	p.await("the thread is live", fmt.Sprintf(`$('.title').textContent !== %q`, title))
	p.run(`Date.now = () => performance.timeOrigin + performance.now() + 60_000; document.dispatchEvent(new Event('visibilitychange'))`)
	p.await("the others are read again", `[...document.querySelectorAll('tidings-count')].slice(6).every((node) => node.shadowRoot.textContent === '1')`)
}

// The bell shows unread notifications, marks them, and is absent without a user.
func TestElements_Ring(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	mine := comment(t, srv.As(userToken(t, "ann")), "/blog/kettle", "mine")
	f := newFront(t, srv)
	p := openElements(t, f, bellScript+"<nav><tidings-bell token="+userToken(t, "ann")+"></tidings-bell></nav>")
	p.await("no number", `document.querySelector('tidings-bell').shadowRoot && bell('.count')?.hidden && bell('.bell').getAttribute('aria-label') === 'Notifications, 0 unread'`)
	for _, user := range []string{"ben", "cleo"} {
		_, err := srv.As(userToken(t, user)).LikeComment(t.Context(), mine.ID)
		streamtest.Must(t, err)
	}
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, parent_id) values ('/blog/kettle', 'ben', 'reply', $1::bigint)`, mine.ID)
	p.await("two", `bell('.count').textContent === '2' && !bell('.count').hidden && bell('.unseen').textContent === '2 unread'`)
	p.run(`bell('.bell').focus()`)
	p.do("open", chromedp.KeyEvent(kb.Enter))
	p.await("the list", `JSON.stringify(bellAll('.what > span').map((node) => node.textContent)) === '["Ben replied to you","Cleo and 1 other like your comment"]'`)
	p.look("notifications")
	streamtest.Want(t, "the address", eval[string](p, `bellAll('.row')[1].getAttribute('href')`), "/blog/kettle#comment-"+mine.ID)
	p.run(`addEventListener('open', (event) => { window.opened = event.detail.kind; event.preventDefault(); }); bellAll('.row')[0].click()`)
	p.await("one is read", `opened === 'reply' && bell('.count').textContent === '1' && bell('.panel').hidden`)
	p.run(`bell('.bell').click(); bell('.quiet').click()`)
	p.await("all are read", `bell('.count').hidden && bell('.quiet').hidden`)
	p.run(`bell('.row').focus()`)
	p.do("close", chromedp.KeyEvent(kb.Escape))
	p.await("closed, with the focus on the button", `bell('.panel').hidden && document.querySelector('tidings-bell').shadowRoot.activeElement === bell('.bell')`)

	out := openElements(t, f, bellScript+"<tidings-bell></tidings-bell>").forgive(`401`)
	out.await("no bell without a user", `document.querySelector('tidings-bell').shadowRoot && bell('.bell')?.hidden`)
}

// All can be done with the keyboard, in the order of the page.
func TestElements_WorkWithTheKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	comment(t, srv.As(userToken(t, "ann")), "p", "mine")
	p := openElements(t, newFront(t, srv), commentsOf(t, "ann", "post=p"))
	p.await("live", `$('.badge')?.dataset.state === 'live' && !!$('article')`)
	key := func(keys string) { p.do("press "+keys, chromedp.KeyEvent(keys)) }
	focus := func(want string) {
		t.Helper()
		streamtest.Want(t, "the focus", eval[string](p, `((node) => node?.dataset.act ?? node?.className)(root().activeElement) ?? ''`), want)
	}
	for _, want := range []string{"like post-like", "text"} {
		key(kb.Tab)
		focus(want)
	}
	key("hello")
	p.do("send", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.shown("hello", "mine")
	p.await("the form is empty and has the focus", `!$('.pending') && root().activeElement === $('.place textarea') && root().activeElement.value === ''`)
	key(kb.Tab) // the button Post
	for _, want := range []string{"time", "like", "reply"} {
		key(kb.Tab)
		focus(want)
	}
	key(kb.Enter)
	focus("text")
	key("a reply")
	key(kb.Tab)
	key(kb.Tab)
	focus("primary")
	key(kb.Enter)
	p.shown("hello", "a reply", "mine")
}
