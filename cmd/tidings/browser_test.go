package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdptarget "github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A browser is a running Chromium that tests share. The tests are apart from each other by browser
// contexts, which have their own cookies, caches and locks.
type browser struct {
	programs []string // names of the program, best first; none of them: what chromedp finds

	mu   sync.Mutex // guards the fields below
	ctx  context.Context
	dir  string
	stop func()
}

var (
	// headlessShell is Chromium without its user interface: a tab takes a fifth of the CPU time.
	headlessShell = &browser{programs: []string{"chromium-headless-shell", "headless-shell"}}

	// wholeBrowser is for tests of what headlessShell lacks: the back-forward cache.
	wholeBrowser = &browser{programs: []string{"chromium", "chromium-browser", "google-chrome"}}
)

// start returns the context of the browser, which starts at the first call.
func (b *browser) start(t *testing.T) context.Context {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx != nil {
		return b.ctx
	}
	dir, err := os.MkdirTemp("", "tidings-browser-")
	streamtest.Must(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// plain.test is a site over plain HTTP: a browser trusts 127.0.0.1 as if it had TLS.
		chromedp.Flag("host-resolver-rules", "MAP plain.test 127.0.0.1, MAP "+proxiedName+" 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true),
		// The sandbox needs namespaces, which containers often forbid. The pages are ours.
		chromedp.NoSandbox)
	for _, name := range b.programs {
		if path, err := exec.LookPath(name); err == nil {
			options = append(options, chromedp.ExecPath(path))
			break
		}
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	b.stop, b.dir = stop, dir
	streamtest.Must(t, chromedp.Do(ctx))
	b.ctx = ctx
	return ctx
}

// close ends the browser.
func (b *browser) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop == nil {
		return nil
	}
	var err error
	if b.ctx != nil {
		err = chromedp.Cancel(b.ctx)
	}
	b.stop()
	return errors.Join(err, os.RemoveAll(b.dir))
}

// stopBrowsers ends the browsers at the end of the test program.
func stopBrowsers() error {
	return errors.Join(headlessShell.close(), wholeBrowser.close())
}

// A profile is a browser context. Its pages share cookies, cache, locks and channels, and no
// other page does.
type profile struct {
	t       *testing.T
	browser context.Context // of package chromedp
	id      cdp.BrowserContextID
}

// newProfile makes a browser context for the time of the test.
func newProfile(t *testing.T) *profile {
	t.Helper()
	return headlessShell.newProfile(t)
}

func (b *browser) newProfile(t *testing.T) *profile {
	t.Helper()
	ctx := b.start(t)
	made, err := chromedp.CallBrowser(ctx, cdptarget.CreateBrowserContext, cdptarget.CreateBrowserContextParams{})
	streamtest.Must(t, err)
	t.Cleanup(func() {
		_, err := chromedp.CallBrowser(ctx, cdptarget.DisposeBrowserContext, cdptarget.DisposeBrowserContextParams(made))
		streamtest.Must(t, err)
	})
	return &profile{t, ctx, made.BrowserContextID}
}

// A tab has one page. Its methods end the test if the browser fails.
type tab struct {
	t       *testing.T
	profile *profile
	ctx     context.Context // of package chromedp
	console *console
	close   func()
}

// A console has what a page wrote to its console.
type console struct {
	mu        sync.Mutex // guards the fields below
	lines     []string
	forgiving []*regexp.Regexp
}

// openTab opens an empty tab in a profile of its own.
func openTab(t *testing.T) *tab {
	t.Helper()
	return newProfile(t).blank()
}

// openPage opens a page of the server's site in a profile of its own. The HTML is that of the page,
// whose address has the origin of the server.
func openPage(t *testing.T, srv *server, html string) *tab {
	t.Helper()
	return newProfile(t).open(newFront(t, srv).page(html))
}

// blank opens an empty tab. An error in its console fails the test, unless it is forgiven.
func (f *profile) blank() *tab {
	f.t.Helper()
	ctx, cancel := chromedp.NewContext(f.browser, chromedp.WithExistingBrowserContext(f.id))
	p := &tab{t: f.t, profile: f, ctx: ctx, console: &console{}}
	streamtest.Must(f.t, chromedp.Do(ctx))
	messages := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			p.console.mu.Lock()
			p.console.lines = append(p.console.lines, message.String())
			p.console.mu.Unlock()
		}
	})
	p.close = sync.OnceFunc(func() {
		cancel()
		listening.Wait()
	})
	f.t.Cleanup(func() {
		p.close()
		if errs := p.console.errors(); len(errs) > 0 {
			f.t.Errorf("the console has errors:\n%s", strings.Join(errs, "\n"))
		}
	})
	return p
}

// open opens a page at an address.
func (f *profile) open(address string) *tab {
	f.t.Helper()
	p := f.blank()
	p.do("open "+address, chromedp.Navigate(address))
	return p
}

// forgive lets the console have errors that match.
func (p *tab) forgive(pattern string) *tab {
	p.console.mu.Lock()
	defer p.console.mu.Unlock()
	p.console.forgiving = append(p.console.forgiving, regexp.MustCompile(pattern))
	return p
}

// said returns all messages of the console.
func (p *tab) said() []string {
	p.console.mu.Lock()
	defer p.console.mu.Unlock()
	return append([]string(nil), p.console.lines...)
}

// errors returns the errors, warnings and exceptions that are not forgiven.
func (c *console) errors() (errs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.lines {
		bad := strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "warning:") || strings.HasPrefix(line, "exception:")
		for _, pattern := range c.forgiving {
			bad = bad && !pattern.MatchString(line)
		}
		if bad {
			errs = append(errs, line)
		}
	}
	return errs
}

// in returns the tab with the test that its methods end.
func (p *tab) in(t *testing.T) *tab {
	q := *p
	q.t = t
	return &q
}

// do makes the browser do the steps.
func (p *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, streamtest.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v\nconsole: %s", what, err, strings.Join(p.said(), "\n"))
	}
}

// looking is JavaScript with which a page evaluates an expression for one second, until it is true.
// A look of the test at the page costs 2 ms of CPU, a timer of the page about 0.1 ms.
const looking = `(async () => {
	for (let n = 0, pause = 10; ; pause = Math.min(pause * 1.25, 100)) {
		try { if (await (%s)) return true } catch {}
		if ((n += pause) > 1000) return false;
		await new Promise((done) => setTimeout(done, pause));
	}
})()`

// await waits until a JavaScript expression is true. It may be a promise. An error of the
// expression counts as false, and so does a page that is left meanwhile.
func (p *tab) await(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(streamtest.Patience)
	for {
		ctx, cancel := context.WithTimeout(p.ctx, patience/10)
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(looking, expression), chromedp.EvalAwaitPromise))
		cancel()
		if err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: not within %v (%v)\nconsole: %s", what, streamtest.Patience, err, strings.Join(p.said(), "\n"))
		}
		<-time.After(lookEvery)
	}
}

// eval returns the value of a JavaScript expression. It waits for a promise.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, streamtest.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v\nconsole: %s", expression, err, strings.Join(p.said(), "\n"))
	}
	return value
}

// run runs statements, which may await, and returns when they have ended.
func (p *tab) run(statements string) {
	p.t.Helper()
	eval[bool](p, "(async () => {\n"+statements+"\nreturn true\n})()")
}

// screenshot writes a picture of the page to a file.
func (p *tab) screenshot(file string) {
	p.t.Helper()
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	streamtest.Must(p.t, err)
	streamtest.Must(p.t, os.WriteFile(file, picture, 0o644))
}

// A front is the web server of a site: it has pages, the modules of api/web/src below /src/, and
// passes all other requests on to an instance of Tidings.
type front struct {
	url     string
	targets atomic.Pointer[[]*url.URL]
	next    atomic.Int64
	cut     func() // closes all connections

	streams, mostStreams atomic.Int64 // that are open now, and at once so far
	requests             atomic.Int64 // of the API so far
	// instead answers requests of the API in place of the instances, if it returns true.
	instead atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]

	mu    sync.Mutex // guards the fields below
	pages map[string]string
	edit  func(*http.Request) // changes each request that is passed on; nil: none
}

// newFront starts a web server in front of instances, which get requests in turn.
func newFront(t *testing.T, servers ...*server) *front {
	t.Helper()
	f := &front{pages: make(map[string]string)}
	f.passTo(t, servers...)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			targets := *f.targets.Load()
			r.SetURL(targets[int(f.next.Add(1))%len(targets)])
			r.Out.Host = r.In.Host
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.edit != nil {
				f.edit(r.Out)
			}
		},
		// A browser that leaves a stream, and a server that is down, are part of the tests.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	mux := http.NewServeMux()
	mux.Handle("/src/", http.StripPrefix("/src/", http.FileServer(http.Dir("../../api/web/src"))))
	mux.HandleFunc("/page/", f.servePage)
	mux.Handle("/", proxy)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		if instead := f.instead.Load(); instead != nil && (*instead)(w, r) {
			return
		}
		if r.URL.Path != "/v1/events" {
			proxy.ServeHTTP(w, r)
			return
		}
		f.mostStreams.Store(max(f.mostStreams.Load(), f.streams.Add(1)))
		defer f.streams.Add(-1)
		proxy.ServeHTTP(w, r)
	})
	listening := httptest.NewServer(mux)
	f.url, f.cut = listening.URL, listening.CloseClientConnections
	t.Cleanup(func() {
		listening.CloseClientConnections()
		listening.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// passTo sets the instances that get requests from now on.
func (f *front) passTo(t *testing.T, servers ...*server) {
	t.Helper()
	var targets []*url.URL
	for _, srv := range servers {
		u, err := url.Parse(srv.url)
		streamtest.Must(t, err)
		targets = append(targets, u)
	}
	f.targets.Store(&targets)
}

// page adds a page and returns its address.
func (f *front) page(html string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := fmt.Sprintf("/page/%d", len(f.pages))
	f.pages[path] = "<!doctype html><meta charset=utf-8><title>Test</title><link rel=icon href=data:,>" + html
	return f.url + path
}

func (f *front) servePage(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	html, ok := f.pages[r.URL.Path]
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "page.html", time.Time{}, strings.NewReader(html))
}
