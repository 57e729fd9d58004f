package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A reader signs in by the address in login-url or by a listener of the event login. With getToken,
// the page asks for another token when one ends, and an error of getToken is shown, and tried again.
func TestElements_SignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFront(t, s.start(t))
	p := openElements(t, f, commentsOf(t, "", "post=p login-url=#login"))
	p.await("nobody is signed in", `$('.badge')?.dataset.state === 'live' && !!$('.sign-in')`)
	p.run(`$('.sign-in').click()`)
	p.await("the page goes to login-url", `location.hash === '#login'`)
	p.run(fmt.Sprintf(`history.replaceState(null, '', '#');
		addEventListener('login', (event) => { event.preventDefault(); event.target.token = '%s'; });
		$('.post-like').click()`, userToken(t, "ann")))
	p.await("the listener signs in", `!!$('.place textarea') && location.hash === ''`)
	p.run(`send('hello')`)
	p.await("the comment is Ann's", `comment('hello')?.querySelector('.name').textContent === 'Ann' && !$('.pending')`)

	var life atomic.Int64 // of the tokens, in seconds; 0: there are none
	tokens := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/session" {
			return false
		}
		if life.Load() == 0 {
			http.Error(w, "no session", http.StatusInternalServerError)
			return true
		}
		fmt.Fprint(w, token(t, auth.Identity{Subject: "ann", Name: "Ann", Expires: time.Now().Add(time.Duration(life.Load()) * time.Second)}))
		return true
	}
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&tokens))
	q := openElements(t, f, `<tidings-comments post=p></tidings-comments><script>
		window.asked = 0;
		document.querySelector('tidings-comments').getToken = async () => {
			asked++;
			const answer = await fetch('/v1/session');
			if (!answer.ok) throw new Error('no session');
			return answer.text();
		};
	</script>`).forgive(`no session|status of 500|401|invalid_token`)
	q.await("the error is shown", `!!$('.error button')`)
	streamtest.Eventually(t, "the console says why", func() bool { return len(q.errors("no session")) > 0 })
	life.Store(4)
	q.run(`$('.error button').click()`)
	q.await("Ann is signed in", `$('.badge')?.dataset.state === 'live' && !!$('.place textarea')`)
	q.await("another token is asked for", `asked > 3`)
	life.Store(0)
	q.await("there is none", `$('.badge').textContent === 'Offline'`)
	streamtest.Eventually(t, "the console says why", func() bool { return len(q.errors("getToken has failed: no session")) > 0 })
	life.Store(3600)
	q.await("it is live again", `$('.badge').dataset.state === 'live'`)
	q.run(`send('again')`)
	q.await("the comment is sent", `!!comment('again') && !$('.pending, .failed')`)
	streamtest.Want(t, "messages about getToken", len(q.errors("getToken has failed: no session")), 1)
}

// The badge says that the connection is tried again, and that it is lost. axe-core finds nothing
// in these states. Afterwards the list has all.
func TestElements_ShowTheConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	comment(t, srv.as(t, "ben"), "p", "first")
	f := newFront(t, srv)
	p := openElements(t, f, commentsOf(t, "ann", "post=p")).forgive(`net::ERR_|Failed to (load|fetch)`)
	p.await("live", `$('.badge')?.textContent === 'Live'`)
	hangs := func(w http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&hangs))
	f.cut()
	p.await("it is tried again", `$('.badge').textContent === 'Reconnecting'`)
	p.look("reconnecting")
	p.accessible("reconnecting")
	ends := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&ends))
	f.cut()
	p.await("it is lost", `$('.badge').textContent === 'Offline'`)
	p.look("offline")
	p.accessible("offline")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('p', 'ben', 'meanwhile')`)
	f.instead.Store(nil)
	p.run(`dispatchEvent(new Event('online'))`)
	p.await("it is back", `$('.badge').textContent === 'Live' && $('.title').textContent === '2 comments'`)
}

// What the user has done is sent although the user leaves the page at once: a deletion that could
// be undone when the page is left, closed or hidden, and that a notification was read by the
// click that leads to another page. Also from a page of another origin.
func TestElements_WritesOutliveThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	site := newFront(t)
	srv := s.start(t, func(i *instance) { i.AllowedOrigins = []string{site.url} })
	site.passTo(t, srv)
	f := newFront(t, srv)
	var gate atomic.Pointer[chan struct{}] // writes wait until it is closed
	var waiting atomic.Int64
	holds := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete || strings.HasSuffix(r.URL.Path, "/read") {
			waiting.Add(1)
			<-*gate.Load()
		}
		return false
	}
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&holds))
	elsewhere := f.page("<p id=elsewhere>Elsewhere")
	done := func(what, query string, args ...any) {
		t.Helper()
		close(*gate.Load())
		streamtest.Eventually(t, what, func() bool { return value[bool](t, s, query, args...) })
	}
	leave := func(what string, site *front, how func(p *tab)) {
		t.Helper()
		comment(t, srv.As(userToken(t, "ann")), what, "mine")
		opened := make(chan struct{})
		gate.Store(&opened)
		waiting.Store(0)
		p := openElements(t, site, commentsOf(t, "ann", fmt.Sprintf("post=%s url=%s", what, f.url)))
		p.await("the comment", `!!comment('mine')?.querySelector('[data-act=delete]')`)
		p.run(`press('mine', 'delete')`)
		how(p)
		streamtest.Eventually(t, what+": the request has come", func() bool { return waiting.Load() == 1 })
		done(what, `select count(*) = 0 from tidings.comments where post_id = $1 and status <> 'deleted'`, what)
	}
	navigate := func(p *tab) {
		p.do("leave", chromedp.Navigate(elsewhere))
		p.await("another page", `!!document.getElementById('elsewhere')`)
	}
	leave("left", f, navigate)
	leave("left-far", site, navigate)
	leave("closed", f, func(p *tab) {
		_, err := chromedp.Call(p.ctx, cdppage.Close, cdp.Empty{})
		streamtest.Must(t, err)
	})
	leave("hidden", f, func(p *tab) {
		p.run(`Object.defineProperty(document, 'hidden', { value: true, configurable: true })`)
		p.pretend("hidden")
	})

	mine := comment(t, srv.As(userToken(t, "ann")), "p", "mine")
	_, err := srv.As(userToken(t, "ben")).LikeComment(t.Context(), mine.ID)
	streamtest.Must(t, err)
	opened := make(chan struct{})
	gate.Store(&opened)
	p := openElements(t, f, bellScript+fmt.Sprintf("<tidings-bell token=%s link='%s?{post}'></tidings-bell>", userToken(t, "ann"), elsewhere))
	p.await("the bell", `document.querySelector('tidings-bell').shadowRoot && bell('.count')?.textContent === '1'`)
	p.run(`bell('.bell').click(); setTimeout(() => bell('.row').click())`)
	p.await("another page", `!!document.getElementById('elsewhere')`)
	done("the notification is read", `select bool_and(read_at is not null) from tidings.notifications`)
}
