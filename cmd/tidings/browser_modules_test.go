package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The modules that need no server do what they say, in a real browser.
func TestBrowser_Modules(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/browser/thread.js")
	streamtest.Must(t, err)
	page := newProfile(t).open(newFront(t).page(`<script type="module">` + string(script) + `</script>`))
	for name, test := range map[string]func(p *tab){
		"Cursors": compareCursors, "EventStreams": parseEventStreams, "Threads": followEvents, "Posts": findPosts,
	} {
		t.Run(name, func(t *testing.T) { test(page.in(t)) })
	}
}

// Cursors of one history have an order, also those that are too large for a JavaScript number.
// Others have none.
func compareCursors(p *tab) {
	got := eval[[]*int](p, `import('/src/cursor.js').then(({ compare }) => [
		compare('1-2', '1-10'), compare('1-10', '1-2'), compare('7-3', '7-3'),
		compare('1-9007199254740993', '1-9007199254740992'),
		compare('1-2', '2-1'), compare('1-2', null), compare('now', '1-2'), compare('1-2', '1-2x'),
	].map(Math.sign))`)
	var flat []int
	for _, n := range got {
		if n == nil { // NaN is null in JSON
			flat = append(flat, 99)
		} else {
			flat = append(flat, *n)
		}
	}
	streamtest.Want(p.t, "comparisons", flat, []int{-1, 1, 0, 1, 99, 99, 99, 99})
}

// A stream is the same whatever its line ends are and wherever it is cut into pieces.
func parseEventStreams(p *tab) {
	got := eval[[]string](p, `import('/src/eventstream.js').then(({ eventStream }) => {
		const text = '\uFEFFretry: 3127\nevent: stream.ready\ndata: {"a":1}\nid: 1-2\n\n:\n:x\n\nevent: two\ntopic: post:1\ndata: é€😀\ndata:  b\n\n' +
			'data\n\nid: 1-3\n\nid: a\0b\nretry: 12x\nevent\ndata:c:d\nunknown: x\n\nevent: cut\ndata: off';
		const found = new Set();
		for (const end of ['\n', '\r', '\r\n']) {
			const bytes = new TextEncoder().encode(text.replaceAll('\n', end));
			for (const size of [1, 2, 3, 7, bytes.length]) {
				const all = [];
				const push = eventStream((block) => all.push(block), (ms) => all.push(ms));
				for (let i = 0; i < bytes.length; i += size) push(bytes.subarray(i, i + size));
				found.add(JSON.stringify(all));
			}
		}
		return [...found];
	})`)
	streamtest.Want(p.t, "events", got, []string{`[3127,{"event":"stream.ready","data":"{\"a\":1}","id":"1-2","topic":null},` +
		`{"event":"two","data":"é€😀\n b","id":null,"topic":"post:1"},{"event":"message","data":"","id":null,"topic":null},` +
		`{"event":"message","data":"c:d","id":null,"topic":null}]`})
	streamtest.Want(p.t, "the error of an endless event", eval[string](p, `import('/src/eventstream.js').then(({ eventStream }) => {
		const push = eventStream(() => {}, () => {}), bytes = new Uint8Array(1 << 20).fill(65);
		try {
			for (let i = 0; i < 64; i++) push(bytes);
			return 'none';
		} catch (error) {
			return error.message;
		}
	})`), "an event is too long")
}

// Threads and inboxes do what testdata/browser/thread.js says, with a client that answers as the
// case wants.
func followEvents(p *tab) {
	p.await("the cases", `window.run`)
	for name, fault := range eval[map[string]string](p, `run()`) {
		if fault != "" {
			p.t.Errorf("%s: %s", name, fault)
		}
	}
}

// The default id of a post, by the address of a page and its canonical address.
func findPosts(p *tab) {
	for _, c := range []struct{ page, canonical, want string }{
		{"/blog/kettle?utm_source=x#y", "", "/blog/kettle"},
		{"/blog/kettle?p=1", "https://s.example/blog/kettle?id=1", "/blog/kettle?id=1"},
		{"/blog/kettle", "https://other.example/elsewhere", "/blog/kettle"},
		{"/blog/kettle", "/", "/blog/kettle"},
		{"/", "/", "/"},
		{"/blog/index.html", "", "/blog/"},
		{"/blog/index.html", "/blog/index.html?a=b", "/blog/?a=b"},
		{"/myindex.html", "", "/myindex.html"},
		{"/%d0%b0/ä", "", "/%D0%B0/%C3%A4"},
		{"/a{b}^`", "", "/a%7Bb%7D%5E%60"},
		{"/a", "/a?x=\\^`{|}", "/a?x=%5C%5E%60%7B|%7D"},
		{"/a", "http://[", "/a"},
	} {
		got := eval[string](p, fmt.Sprintf(`import('/src/elements/post.js').then(({ postOf }) => {
			const page = { location: { href: 'https://s.example' + %q }, querySelector: () => %q && { get href() { try { return new URL(%q, 'https://s.example' + %q).href } catch { return %q } } } };
			return postOf(page);
		})`, c.page, c.canonical, c.canonical, c.page, c.canonical))
		streamtest.Want(p.t, c.page+" "+c.canonical, got, c.want)
	}
	streamtest.Want(p.t, "ids", eval[[]bool](p, `import('/src/elements/post.js').then(({ isPost }) => ['/a?b=%C3', 'x'.repeat(512), 'x'.repeat(513), '', '.', '-', 'ä', 'a b'].map(isPost))`),
		[]bool{true, true, false, false, false, false, false, false})
}
