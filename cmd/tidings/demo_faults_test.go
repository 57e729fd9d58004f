package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A spoiler is a proxy between the demo page and a server that spoils the answer to one
// write.
type spoiler struct {
	writes atomic.Int64 // requests that reached the server

	mu   sync.Mutex // guards next
	next string     // what happens to the next write; see spoil
	held chan struct{}
}

// spoil says what happens to the next write: "lost" closes the connection instead of an
// answer, "cut" after a part of it, "slow" sends it when release is called; a status is
// answered in place of the server.
func (s *spoiler) spoil(how string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.held = how, make(chan struct{})
	return sync.OnceFunc(func() { close(s.held) })
}

func (s *spoiler) take() (how string, held chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how, s.next = s.next, ""
	return how, s.held
}

// start returns the URL of the proxy in front of the server.
func (s *spoiler) start(t *testing.T, server string) string {
	t.Helper()
	target, err := url.Parse(server)
	streamtest.Must(t, err)
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval: -1,
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		write := r.Method != http.MethodGet && (strings.HasSuffix(path, "/like") || strings.Contains(path, "/comments"))
		how, held := "", (chan struct{})(nil)
		if write {
			how, held = s.take()
		}
		switch how {
		case "":
			if write {
				s.writes.Add(1)
			}
			pass.ServeHTTP(w, r)
			return
		case "401", "429", "503":
			var status int
			fmt.Sscan(how, &status)
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"code":"spoiled","detail":"spoiled %d"}`, status)
			return
		}
		s.writes.Add(1)
		recorder := httptest.NewRecorder()
		pass.ServeHTTP(recorder, r)
		answer := recorder.Result()
		body, _ := io.ReadAll(answer.Body)
		switch how {
		case "slow":
			<-held
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.StatusCode)
			w.Write(body)
		case "cut":
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
			w.WriteHeader(answer.StatusCode)
			w.Write(body[:len(body)/2])
			fallthrough
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are closed on purpose
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// Each control of the demo page is used while the answer to its request is spoiled, and
// again until the server has done what was asked: then it was done once, and the page
// shows it.
func TestDemoPage_SurvivesSpoiledAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	streamtest.Must(t, seed(t.Context(), s.dsn))
	srv := s.start(t, func(i *instance) { i.demo = newDemo(testSecret, "psql", "$TOKEN") })
	x := &spoiler{}
	address := x.start(t, srv.url) // closed after the page, whose streams it waits for
	tab := openTab(t).forgive(`Failed to load resource`)
	do := tab.do
	do("both panes go live", chromedp.EmulateViewport(1280, 960), chromedp.Navigate(address+"/"),
		chromedp.WaitVisible(pane("ann", "state")+"[data-state=live]"), chromedp.WaitVisible(pane("ben", "state")+"[data-state=live]"))
	idle := pane("ben", "composer") + `:not([aria-busy=true])`
	liked := false
	for _, how := range []string{"lost", "cut", "slow", "429", "503", "401"} {
		text := "a comment whose answer is " + how
		release := x.spoil(how)
		do("Ben posts: "+how, chromedp.SendKeys(pane("ben", "body"), text), chromedp.Click(pane("ben", "post")))
		if how == "slow" {
			do("Ben clicks twice", chromedp.Click(pane("ben", "post")))
			release()
		}
		do("the answer is shown: "+how, chromedp.WaitVisible(idle), awaitScript(fmt.Sprintf(
			`document.querySelector(%q).value === '' || document.querySelector(%q).textContent !== ''`, pane("ben", "body"), pane("ben", "message"))))
		if how == "lost" || how == "cut" || how == "429" || how == "503" {
			do("Ben clicks again", chromedp.Click(pane("ben", "post")))
		}
		do("the form is empty", awaitScript(fmt.Sprintf(`document.querySelector(%q).value === ''`, pane("ben", "body"))),
			awaitText(pane("ann", "comments"), text))
		streamtest.Want(t, "comments in the table: "+how, value[int](t, s, `select count(*) from tidings.comments where body = $1`, text), 1)

		liked = !liked
		release = x.spoil(how)
		do("Ben likes: "+how, chromedp.Click(pane("ben", "like")))
		pressed := func(is bool) chromedp.Action[chromedp.Void] {
			return awaitScript(fmt.Sprintf(`document.querySelector(%q).getAttribute('aria-pressed') === '%t'`, pane("ben", "like"), is))
		}
		switch how {
		case "slow": // two more clicks while the first request is on its way
			do("Ben clicks on", pressed(liked), chromedp.Click(pane("ben", "like")), pressed(!liked), chromedp.Click(pane("ben", "like")))
			release()
		case "429", "503":
			do("the server's state is shown", pressed(!liked), chromedp.Click(pane("ben", "like")))
		}
		do("the like is shown: "+how, pressed(liked), awaitText(pane("ann", "like-count"), map[bool]string{true: "1", false: "0"}[liked]))
		streamtest.Eventually(t, "the table has what the page shows: "+how, func() bool {
			return value[bool](t, s, `select exists (select from tidings.likes where user_id = 'ben')`) == liked
		})

		id := value[string](t, s, `select max(id)::text from tidings.comments where author_id = 'ben'`)
		button := chromedp.CSS(fmt.Sprintf("[data-user=ben] [data-comment-id='%s'] [data-role=delete]", id))
		gone := awaitScript(fmt.Sprintf(`!document.querySelector(%q)`, "[data-user=ann] [data-comment-id='"+id+"']"))
		release = x.spoil(how)
		do("Ben deletes: "+how, chromedp.Click(button))
		release()
		if how == "429" || how == "503" {
			do("the refusal is shown", awaitText(pane("ben", "message"), "spoiled"), chromedp.Click(button))
		}
		do("the comment is gone", gone)
	}
}

// The button "New comments" lies over the end of the list, and the badge counts what came
// since the list of notifications was opened.
func TestDemoPage_ShowsWhatIsNew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	streamtest.Must(t, seed(t.Context(), s.dsn))
	srv := s.start(t, func(i *instance) { i.demo = newDemo(testSecret, "psql", "$TOKEN") })
	tab := openTab(t).forgive(`Failed to load resource`)
	do, page := tab.do, tab.ctx
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'demo', 'dan', 'number ' || n from generate_series(1, 30) as n`)
	scroll := pane("ann", "scroll")
	do("Ann reads further up", chromedp.EmulateViewport(1280, 960), chromedp.Navigate(srv.url+"/"),
		chromedp.WaitVisible(pane("ann", "state")+"[data-state=live]"), awaitText(pane("ann", "badge"), "20+"),
		awaitScript(fmt.Sprintf(`(() => { const box = document.querySelector(%q); box.scrollTop = 0; return box.scrollHeight > box.clientHeight + 100 && box.scrollTop === 0; })()`, scroll)))
	// The scroll event comes with a later frame, and the page reads the position there.
	do("a frame passes", awaitScript(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`))
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'the newest')`)
	do("the button lies over the end of the list", chromedp.WaitVisible(pane("ann", "below")), awaitScript(fmt.Sprintf(
		`(() => { const button = document.querySelector(%q).getBoundingClientRect(), box = document.querySelector(%q).getBoundingClientRect();
			return button.bottom <= box.bottom && button.top >= box.bottom - 80 && button.left >= box.left && button.right <= box.right; })()`, pane("ann", "below"), scroll)))
	if *screenshot != "" {
		picture, err := chromedp.Run(page, chromedp.CaptureScreenshot())
		streamtest.Must(t, err)
		streamtest.Must(t, os.WriteFile(strings.TrimSuffix(*screenshot, ".png")+"-below.png", picture, 0o644))
	}
	do("it leads to the newest comment", chromedp.Click(pane("ann", "below")), awaitScript(fmt.Sprintf(`document.querySelector(%q).hidden`, pane("ann", "below"))))
	do("opening the list empties the badge", chromedp.Click(pane("ann", "bell-button")), awaitScript(fmt.Sprintf(`document.querySelector(%q).hidden`, pane("ann", "badge"))),
		chromedp.Click(pane("ann", "bell-button")))
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'one more')`)
	do("the badge counts what came since", awaitText(pane("ann", "badge"), "1"))
	s.exec(t, `delete from tidings.comments where body = 'one more'`)
	do("a withdrawn notification leaves the badge", awaitScript(fmt.Sprintf(`document.querySelector(%q).hidden`, pane("ann", "badge"))))
}

// awaitScript waits until an expression is true.
func awaitScript(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](script, chromedp.WithPollingInterval(lookEvery), chromedp.WithPollingTimeout(streamtest.Patience))
}
