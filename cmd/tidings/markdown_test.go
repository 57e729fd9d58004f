package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/api/markdown"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A comment has its HTML in the answer, in lists, in events and at its address, whether it was
// written over HTTP or by SQL.
func TestMarkdown_IsInAnswersListsAndEvents(t *testing.T) {
	t.Parallel()

	s := newSite(t)
	srv := s.start(t)
	const text, html = "*Hi* <b> https://a.example", `<p><em>Hi</em> &lt;b&gt; <a href="https://a.example" rel="nofollow ugc noopener">https://a.example</a></p>`
	created := comment(t, srv.as(t, "ann"), "42", text)
	streamtest.Want(t, "HTML of the answer", created.HTML, html)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('42', 'dan', $1)`, text)

	list, err := srv.Comments(t.Context(), "42", client.ListOptions{})
	streamtest.Must(t, err)
	streamtest.Want(t, "comments of the list", len(list.Data), 2)
	for _, c := range list.Data {
		streamtest.Want(t, "HTML of the list", c.HTML, html)
	}
	events := s.logged(t, "post:42")
	page, err := srv.Poll(t.Context(), []string{"post:42"}, "earliest", 0, 0)
	streamtest.Must(t, err)
	if err := compare(page.Events, events, true); err != nil {
		t.Error(err)
	}
	var told client.Comment
	streamtest.Must(t, json.Unmarshal(page.Events[0].Data, &told))
	streamtest.Want(t, "HTML of the event", told.HTML, html)
}

// --markdown-images shows the images of comments. The default is a link.
func TestMarkdown_Images(t *testing.T) {
	t.Parallel()

	for shown, want := range map[bool]string{true: "<img ", false: "<a "} {
		srv := newSite(t).start(t, func(i *instance) { i.MarkdownImages = shown })
		got := comment(t, srv.as(t, "ann"), "42", "![a](https://a.example/b.png)").HTML
		if !strings.Contains(got, want) {
			t.Errorf("images %t: HTML is %s", shown, got)
		}
	}
}

// No comment runs a script in a browser. To show that the page would notice, one of the texts
// runs a script if the page uses it as it is.
func TestMarkdown_RunsNoScripts(t *testing.T) {
	t.Parallel()

	attacks, err := os.ReadFile("../../api/markdown/testdata/attacks.txt")
	streamtest.Must(t, err)
	var safe []string
	symbols := strings.NewReplacer("␤", "\n", "␉", "\t", "␀", "\x00")
	for line := range strings.Lines(string(attacks)) {
		attack := symbols.Replace(line)
		for _, images := range []bool{false, true} {
			safe = append(safe, markdown.New(markdown.Options{Images: images}).HTML(attack))
		}
	}
	page := openTab(t).forgive(`Failed to load resource|ERR_`).ctx
	streamtest.Want(t, "scripts run by the HTML of comments", hits(t, page, safe), 0)
	if hits(t, page, []string{"<img src=x onerror=hit()>"}) == 0 {
		t.Error("a script was not noticed, so this test shows nothing")
	}
}

// hits shows pieces of HTML in an empty page, touches all their elements, and returns how
// often hit() was called.
func hits(t *testing.T, page context.Context, pieces []string) int {
	t.Helper()
	all, err := json.Marshal(pieces)
	streamtest.Must(t, err)
	ctx, cancel := context.WithTimeout(page, streamtest.Patience)
	defer cancel()
	streamtest.Must(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	n, err := chromedp.Run(ctx, chromedp.Evaluate[int](fmt.Sprintf(`(async () => {
		let hits = 0
		window.hit = () => { hits++ }
		for (const html of %s) {
			const piece = document.createElement('div')
			piece.innerHTML = html
			document.body.append(piece)
			for (const element of piece.querySelectorAll('*')) {
				for (const kind of ['mouseover', 'focus', 'toggle', 'error', 'load']) element.dispatchEvent(new Event(kind))
				if (!element.href) continue
				element.addEventListener('click', event => { if (/^(http|mailto)/.test(element.protocol)) event.preventDefault() })
				element.click?.()
			}
		}
		await new Promise(done => setTimeout(done, 500)) // for images that fail to load
		return hits
	})()`, all), chromedp.EvalAwaitPromise))
	streamtest.Must(t, err)
	return n
}
