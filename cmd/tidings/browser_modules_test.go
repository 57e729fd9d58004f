package main

import (
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Cursors of one history have an order, also those that are too large for a JavaScript number.
// Others have none.
func TestBrowser_CursorsCompare(t *testing.T) {
	t.Parallel()
	p := openPage(t, newSite(t).start(t), "")
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
	streamtest.Want(t, "comparisons", flat, []int{-1, 1, 0, 1, 99, 99, 99, 99})
}

// A stream is the same whatever its line ends are and wherever it is cut into pieces.
func TestBrowser_EventStreamsAreParsed(t *testing.T) {
	t.Parallel()
	p := openPage(t, newSite(t).start(t), "")
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
	streamtest.Want(t, "events", got, []string{`[3127,{"event":"stream.ready","data":"{\"a\":1}","id":"1-2","topic":null},` +
		`{"event":"two","data":"é€😀\n b","id":null,"topic":"post:1"},{"event":"message","data":"","id":null,"topic":null},` +
		`{"event":"message","data":"c:d","id":null,"topic":null}]`})
	streamtest.Want(t, "the error of an endless event", eval[string](p, `import('/src/eventstream.js').then(({ eventStream }) => {
		const push = eventStream(() => {}, () => {}), bytes = new Uint8Array(1 << 20).fill(65);
		try {
			for (let i = 0; i < 64; i++) push(bytes);
			return 'none';
		} catch (error) {
			return error.message;
		}
	})`), "an event is too long")
}
