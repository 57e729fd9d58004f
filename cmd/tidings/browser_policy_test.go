package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// embedBlock returns the first block of code below a heading of docs/embed.md.
func embedBlock(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/embed.md")
	streamtest.Must(t, err)
	_, rest, found := strings.Cut(string(page), "\n## "+heading+"\n")
	_, rest, fenced := strings.Cut(rest, "\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	block, _, closed := strings.Cut(rest, "\n```")
	if !found || !fenced || !closed {
		t.Fatalf("docs/embed.md has no block below %q", heading)
	}
	return block
}

// before makes the browser run a script before those of each page.
func (p *tab) before(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	streamtest.Must(p.t, err)
}

// The two lines of docs/embed.md work on a site of another origin under the policy of docs/embed.md, with
// Trusted Types, with a nonce in place of the origin of the scripts, and without a complaint of the browser. They show comments as HTML, or as text
// if the policy forbids HTML and the browser has no Element.setHTML.
func TestElements_NeedOnlyTheStrictPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lines, strict := embedBlock(t, "Two lines"), embedBlock(t, "Content Security Policy")
	const types = "; require-trusted-types-for 'script'"
	nonce := strings.Replace(strict, "script-src https://c.example", "script-src 'nonce-n'", 1)
	policies := []string{
		strict, strict + types, strict + types + "; trusted-types tidings", strict + types + "; trusted-types other",
		nonce, strings.Replace(nonce, "'nonce-n'", "'nonce-n' 'strict-dynamic'", 1),
	}
	var srv *server
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here := strings.NewReplacer("https://c.example", srv.url)
		var n int
		fmt.Sscan(r.URL.Query().Get("policy"), &n)
		w.Header().Set("Content-Security-Policy", here.Replace(policies[n]))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html lang=de><title>A post</title>%s<tidings-bell token=%q></tidings-bell>",
			strings.Replace(here.Replace(lines), "<script ", "<script nonce=n ", 1), userToken(t, "ann"))
	}))
	t.Cleanup(site.Close)
	srv = s.start(t, func(i *instance) { i.AllowedOrigins = []string{site.URL} })
	comment(t, srv.as(t, "ben"), "/blog/kettle", "some *text*")

	for _, script := range []string{"", "delete Element.prototype.setHTML"} {
		page := openTab(t)
		page.before(script)
		for n := range policies {
			if n > 3 && script != "" {
				continue
			}
			t.Run(fmt.Sprint(n, script), func(t *testing.T) {
				p := page.in(t)
				html := "<p>some <em>text</em></p>"
				if n == 3 {
					p.forgive(`trusted-types`)
					if script != "" {
						html = "some *text*"
					}
				}
				p.do("open", chromedp.Navigate(fmt.Sprint(site.URL, "/blog/kettle?policy=", n)))
				p.run(`window.$ = (selector) => document.querySelector('tidings-comments')?.shadowRoot?.querySelector(selector)`)
				p.await("the comment", fmt.Sprintf(`$('.body')?.innerHTML.trim() === %q && $('.badge')?.dataset.state === 'live' && $('.title').textContent === '1 Kommentar'`, html))
				p.await("the style", `getComputedStyle($('.avatar')).borderRadius === '50%'`)
				p.await("the bell", `!!document.querySelector('tidings-bell').shadowRoot?.querySelector('.bell svg')`)
			})
		}
	}
}

// attackTexts returns texts that call hit() in a page that shows them as HTML.
func attackTexts(t *testing.T) []string {
	t.Helper()
	file, err := os.ReadFile("../../api/markdown/testdata/attacks.txt")
	streamtest.Must(t, err)
	return strings.Split(strings.TrimSpace(strings.NewReplacer("␤", "\n", "␉", "\t", "␀", "").Replace(string(file))), "\n")
}

// No text of the collection of attacks runs: neither as the text of a comment, nor from a server
// that sends it as HTML, as a name and as the address of a picture. The browser has Element.setHTML
// or not.
func TestElements_RunNoAttack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	attacks := attackTexts(t)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'p', 'eve', body || ' x' from unnest($1::text[]) body`, attacks)
	raw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answerAttacks(w, r, attacks) }))
	t.Cleanup(raw.Close)
	f := newFront(t, srv)
	for _, script := range []string{"", "delete Element.prototype.setHTML"} {
		page := openTab(t).forgive(`Failed to load resource|ERR_|tidings`)
		page.before("window.hits = []; window.hit = () => hits.push(new Error().stack); window.alert = hit; " + script)
		for url, count := range map[string]int{"": min(100, len(attacks)), raw.URL: len(attacks)} {
			t.Run(fmt.Sprintf("%s %t", script, url == ""), func(t *testing.T) {
				p := page.in(t)
				p.do("open", chromedp.Navigate(f.page(elementsHead+commentsOf(t, "", fmt.Sprintf("post=p limit=100 url=%q", url)))))
				p.await("the list", fmt.Sprintf(`$$('article').length === %d`, count))
				p.run(`for (const node of $$('article *')) for (const name of ['mouseover', 'focus', 'pointerenter', 'animationstart', 'toggle', 'error', 'load']) node.dispatchEvent(new Event(name));
					await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));`)
				streamtest.Want(t, "attacks that ran", eval[[]string](p, `hits`), []string{})
				streamtest.Want(t, "nodes of comments that are not in the list", eval[[]string](p,
					`$$('.body *').filter((node) => !node.matches('p,br,hr,strong,em,del,code,pre,blockquote,ul,ol,li,a,img')).map((node) => node.outerHTML)`), []string{})
				streamtest.Want(t, "attributes that are not in the list", eval[[]string](p, `$$('.body *').flatMap((node) => [...node.attributes].map(({ name }) => node.localName + ' ' + name))
					.filter((name) => !/^(a (href|rel)|img (src|alt|loading|referrerpolicy)|code class|ol start)$/.test(name))`), []string{})
				streamtest.Want(t, "addresses", eval[[]string](p, `[...$$('article a[href]'), ...$$('article img[src]')].map((node) => node.href ?? node.src)
					.filter((address) => !/^(https?:|mailto:)/.test(address))`), []string{})
			})
		}
	}
}

// answerAttacks answers as a server of Tidings that was taken over by an attacker would.
func answerAttacks(w http.ResponseWriter, r *http.Request, attacks []string) {
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	w.Header().Set("Access-Control-Allow-Headers", "authorization, last-event-id, if-none-match, content-type")
	if !strings.HasSuffix(r.URL.Path, "/comments") {
		http.NotFound(w, r)
		return
	}
	type object = map[string]any
	var list []object
	for n, attack := range attacks {
		list = append(list, object{"id": fmt.Sprint(n), "postId": "p", "author": object{"id": attack, "name": attack, "avatarUrl": attack}, "body": attack, "html": attack,
			"status": "published", "likeCount": 0, "replyCount": 0, "threadCount": 0, "createdAt": "2026-01-02T03:04:05Z", "version": 1})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(object{
		"data": list, "page": object{"next": nil, "more": false}, "user": nil, "cursor": "1-1",
		"post": object{"id": "p", "title": nil, "url": nil, "locked": false, "commentCount": len(attacks), "likeCount": 0, "liked": false},
	})
}
