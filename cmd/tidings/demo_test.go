package main

import (
	"flag"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// screenshot writes a picture of the demo page, for the README:
//
//	go test ./cmd/tidings -run DemoPage_IsLive -args -screenshot "$PWD/docs/demo.png"
var screenshot = flag.String("screenshot", "", "write a picture of the demo page to this file")

// demoSite starts a server with the demo page.
func demoSite(t *testing.T) (*site, *server) {
	t.Helper()
	s := newSite(t)
	streamtest.Must(t, seed(t.Context(), s.dsn))
	return s, s.start(t, func(i *instance) { i.demo = newDemo(testSecret, "psql", "$TOKEN") })
}

// openDemo opens the demo page, and waits until both panes are live. The page gets functions that
// look into a pane: pane, texts and send.
func openDemo(t *testing.T, address string) *tab {
	t.Helper()
	p := openTab(t)
	p.do("open", chromedp.EmulateViewport(1280, 960), chromedp.Navigate(address+"/"))
	p.await("both panes are there", `document.querySelectorAll('[data-user] tidings-comments').length === 2`)
	p.run(`
		window.pane = (user) => document.querySelector('[data-user=' + user + '] tidings-comments').shadowRoot;
		window.bellOf = (user) => document.querySelector('[data-user=' + user + '] tidings-bell').shadowRoot;
		window.texts = (user) => [...pane(user).querySelectorAll('.body')].map((node) => node.textContent.trim());
		window.write = (user, text) => {
			const area = pane(user).querySelector('.place textarea');
			area.focus();
			area.value = text;
			area.dispatchEvent(new Event('input'));
		};
		window.send = (user, text) => { write(user, text); pane(user).querySelector('.place form').requestSubmit(); };`)
	for _, user := range []string{"ann", "ben"} {
		p.await(user+" is live", `pane('`+user+`')?.querySelector('.badge')?.dataset.state === 'live'`)
	}
	return p
}

// A browser shows the panes of Ann and Ben. What one does appears in the pane of the other without
// a reload. A user whose line was cut gets all when it is mended.
func TestDemoPage_IsLive(t *testing.T) {
	t.Parallel()
	s, srv := demoSite(t)
	p := openDemo(t, srv.url)
	p.run(`write('ben', 'Good morning, Ann!')`)
	p.await("Ann sees Ben type", `pane('ann').querySelector('.typing').textContent.includes('Ben')`)
	p.run(`send('ben', 'Good morning, Ann!')`)
	p.await("Ann sees Ben's comment", `texts('ann').includes('Good morning, Ann!')`)
	p.await("and is notified", `bellOf('ann').querySelector('.count')?.textContent === '1'`)
	p.run(`send('ann', 'Morning, Ben. Seen the new log?')`)
	p.await("Ben sees the answer", `texts('ben').some((text) => text.startsWith('Morning, Ben.'))`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'Hello from psql')`)
	p.await("both see what SQL inserted", `texts('ann').includes('Hello from psql') && texts('ben').includes('Hello from psql')`)
	p.await("the raw events are there", `[...document.querySelectorAll('#wire li')].some((row) => row.textContent.includes('new-comment'))`)
	if *screenshot != "" {
		p.run(`write('ben', 'On it')`)
		p.await("Ann sees Ben type again", `pane('ann').querySelector('.typing').textContent.includes('Ben')`)
		p.screenshot(*screenshot)
	}

	p.run(`document.querySelector('[data-user=ann] .cut').click()`)
	p.await("Ann is cut off", `pane('ann').querySelector('.badge').dataset.state !== 'live'`)
	p.run(`send('ben', 'while Ann is away')`)
	p.await("Ben sees it", `texts('ben').includes('while Ann is away')`)
	streamtest.Want(t, "Ann sees it", eval[bool](p, `texts('ann').includes('while Ann is away')`), false)
	p.run(`document.querySelector('[data-user=ann] .cut').click()`)
	p.await("Ann gets what she missed", `texts('ann').filter((text) => text === 'while Ann is away').length === 1`)
	p.audit("demo", 3)
}

// The form writes the lines that show comments on another page.
func TestDemoPage_WritesTheLines(t *testing.T) {
	t.Parallel()
	_, srv := demoSite(t)
	p := openDemo(t, srv.url)
	lines := func(server, post string, pinned bool) string {
		t.Helper()
		return eval[string](p, `(() => {
			document.getElementById('embed-server').value = `+jsonOf(t, server)+`;
			document.getElementById('embed-post').value = `+jsonOf(t, post)+`;
			document.getElementById('embed-pinned').checked = `+jsonOf(t, pinned)+`;
			document.getElementById('embed').dispatchEvent(new Event('input'));
			return document.getElementById('embed-lines').textContent + '\n';
		})()`)
	}
	for _, pinned := range []bool{false, true} {
		for _, post := range []string{"", "42", `/blog/?p=1&q=2`} {
			want, err := embedLines("https://c.example/t", post, pinned)
			streamtest.Must(t, err)
			streamtest.Want(t, "lines of "+post, lines("https://c.example/t/", post, pinned), want)
		}
	}
}
