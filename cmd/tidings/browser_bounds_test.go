package main

import (
	"flag"
	"fmt"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// counting wraps the functions of a page that leave something open, and counts what is.
const counting = `
	window.open_ = { timers: new Set(), listeners: 0, requests: 0, channels: 0 };
	for (const [start, stop] of [['setTimeout', 'clearTimeout'], ['setInterval', 'clearInterval']]) {
		const begin = window[start], end = window[stop];
		window[start] = (act, ...rest) => {
			const id = begin((...values) => { if (start === 'setTimeout') open_.timers.delete(id); act(...values); }, ...rest);
			open_.timers.add(id);
			return id;
		};
		window[stop] = (id) => { open_.timers.delete(id); end(id); };
	}
	for (const target of [window, document]) {
		const add = target.addEventListener, remove = target.removeEventListener;
		const known = [];
		target.addEventListener = function (name, act, options) {
			const entry = { name, act };
			known.push(entry);
			open_.listeners++;
			const drop = () => { const at = known.indexOf(entry); if (at >= 0) { known.splice(at, 1); open_.listeners--; } };
			options?.signal?.addEventListener('abort', drop);
			entry.drop = drop;
			return add.call(target, name, act, options);
		};
		target.removeEventListener = function (name, act, options) {
			known.find((entry) => entry.name === name && entry.act === act)?.drop();
			return remove.call(target, name, act, options);
		};
	}
	const call = window.fetch;
	window.fetch = async (input, init) => {
		open_.requests++;
		let ended = false;
		const end = () => { if (!ended) { ended = true; open_.requests--; } };
		init?.signal?.addEventListener('abort', end);
		try {
			const answer = await call(input, init);
			if (!answer.headers.get('content-type')?.includes('event-stream')) end();
			return answer;
		} catch (error) {
			end();
			throw error;
		}
	};
	const Channel = window.BroadcastChannel;
	window.BroadcastChannel = class extends Channel {
		constructor(name) { super(name); open_.channels++; }
		close() { open_.channels--; super.close(); }
	};
`

var mounts = flag.Int("browser.mounts", 20, "how often the test of mounted elements mounts them, a multiple of 20")

// listed is how many comments the test of rendering lists. make torture-tabs sets it to 2,000.
var listed = flag.Int("browser.listed", 400, "how many comments the test of rendering lists, at least 100")

// Elements that are mounted and unmounted many times leave no timer, listener, request, channel or lock.
func TestElements_LeaveNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	comment(t, srv.as(t, "ben"), "p", "text")
	p := newProfile(t).open(newFront(t, srv).page("<script>" + counting + "</script>" + elementsHead + `<main id=place></main>`))
	p.run(fmt.Sprintf(`
		await customElements.whenDefined('tidings-comments');
		window.pause = () => new Promise((done) => setTimeout(done, 10));
		window.mount = () => {
			place.innerHTML = '<tidings-comments post=p token="%[1]s"></tidings-comments><tidings-count post=p live token="%[1]s"></tidings-count><tidings-bell token="%[1]s"></tidings-bell>';
		};
		window.atRest = async () => {
			const locks = async () => { const { held, pending } = await navigator.locks.query(); return held.length + pending.length; };
			while (open_.requests || open_.channels || await locks()) await pause();
			return JSON.stringify([open_.listeners, open_.timers.size]);
		};
		mount();
		await customElements.whenDefined('tidings-bell');
		while (!$('article')) await pause();
		place.replaceChildren();
		window.before = await atRest();`, userToken(t, "ann")))
	for range *mounts / 20 {
		p.run(`
			for (let i = 0; i < 20; i++) {
				mount();
				if (i % 3) await Promise.resolve();
				if (i % 10 === 0) while (!$('article')) await pause();
				place.replaceChildren();
				if (i % 2) await new Promise((done) => setTimeout(done));
			}
			const after = await atRest();
			if (after !== before) throw new Error('open before ' + before + ', after ' + after);`)
	}
	// A node that is moved keeps its comments, and one in a document without a window does nothing.
	p.run(fmt.Sprintf(`
		place.innerHTML = '<div></div><tidings-comments post=p token=%q></tidings-comments>';
		while (!$('article')) await new Promise((done) => setTimeout(done, 10));
		const article = $('article'), element = place.lastChild;
		place.firstChild.append(element);
		await new Promise((done) => setTimeout(done, 50));
		if ($('article') !== article) throw new Error('a moved element started again');
		const other = document.implementation.createHTMLDocument();
		other.body.append(element);
		await new Promise((done) => setTimeout(done));
		if (element.client) throw new Error('an element in a document without a window has a client');
		document.body.append(element);
		while (!element.shadowRoot.querySelector('article')) await new Promise((done) => setTimeout(done, 10));`, userToken(t, "ann")))
}

// In a long list, many events change only the nodes of the comments that they name, and one button.
func TestElements_RenderOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	// The times of old comments, "3 days ago", stay the same however long the test takes.
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, created_at) select 'p', 'user' || n % 50, 'comment ' || n, now() - interval '84 hours' + interval '1 second' * n from generate_series(1, $1) n`, *listed)
	p := newProfile(t).open(newFront(t, srv).page(elementsHead + commentsOf(t, "ann", "post=p limit=100")))
	p.run(fmt.Sprintf(`
		const pause = () => new Promise((done) => setTimeout(done, 20));
		const thread = () => document.querySelector('tidings-comments').thread;
		while (thread()?.state !== 'ready') await pause();
		while (thread().more) await thread().loadMore();
		while ($$('article').length < %d || $('.badge').dataset.state !== 'live') await pause();
		window.changed = new Set();
		window.records = 0;
		new MutationObserver((list) => { for (const { target } of list) { records++; changed.add((target.closest ?? (() => target.parentElement)).call(target, 'article')?.dataset.id ?? target.className); } })
			.observe($('.list'), { subtree: true, childList: true, characterData: true, attributes: true });
		window.longest = 0;
		new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) longest = Math.max(longest, duration); }).observe({ type: 'longtask' });
		window.nodes = $$('*').length;
	`, *listed))
	changes := *listed / 8
	s.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) select 'p', id, 'ben' from tidings.comments where post_id = 'p' order by id limit $1`, changes)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'p', 'ben', 'new ' || n from generate_series(1, $1) n`, changes)
	p.await("all events", fmt.Sprintf(`$('.fresh').textContent === '%[1]d new comments' && $$('.acts .like span').filter((n) => n.textContent === '1').length === %[1]d`, changes))
	got := eval[struct {
		Changed, Records, Nodes, New int
		Longest                      float64
	}](p, `({ Changed: changed.size, Records: records, Nodes: nodes, New: $$('*').length, Longest: longest })`)
	t.Logf("nodes %d, then %d; articles that changed %d with %d records; longest task %.0f ms", got.Nodes, got.New, got.Changed, got.Records, got.Longest)
	streamtest.Want(t, "nodes that were added", got.New-got.Nodes, 0)
	if got.Changed > changes+2 {
		t.Errorf("%d articles changed, want the %d that were liked, and the button", got.Changed, changes)
	}
}
