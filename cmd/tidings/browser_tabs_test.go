package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// make torture-tabs ends the tab with the connection 100 times, among ten tabs.
var (
	leaderEnds = flag.Int("tabs.ends", 8, "how often the test of many tabs ends the leading tab")
	manyTabs   = flag.Int("tabs.tabs", 4, "how many tabs the test of many tabs opens")
)

// watchLock is a script that counts in leads the locks of its tabs that the page has: a tab may ask
// for the lock again while it has it for a moment.
const watchLock = `<script>
	window.leads = 0;
	const { request } = LockManager.prototype;
	LockManager.prototype.request = function (name, options, fn) {
		return request.call(this, name, options, async (lock) => {
			window.leads++;
			try { return await fn(lock); } finally { window.leads--; }
		});
	};
</script>`

// many are the tabs of one site and user.
type many struct {
	t       *testing.T
	site    *site
	front   *front
	profile *profile
	address string
	tabs    []*tab
}

// Many tabs have one connection. The tab that has it is closed, crashes, freezes or is hidden, again
// and again, while 200 events a second come: no tab misses one or gets one twice.
func TestBrowserTabs_ShareOneConnection(t *testing.T) {
	t.Parallel()
	openMany(t, headlessShell, *manyTabs).follow(*leaderEnds, (*many).closeTab, (*many).crash, (*many).freeze, (*many).hide)
}

// The same for a tab that goes to the back-forward cache, which the headless shell lacks.
func TestBrowserTabs_LeaveForTheBackForwardCache(t *testing.T) {
	t.Parallel()
	openMany(t, wholeBrowser, 2).follow(max(2, *leaderEnds/4), (*many).cache)
}

// openMany opens tabs of one site and waits until all are live.
func openMany(t *testing.T, b *browser, tabs int) *many {
	t.Helper()
	s := newSite(t)
	m := &many{t: t, site: s, front: newFront(t, s.start(t)), profile: b.newProfile(t)}
	m.address = m.front.page(watchLock + reader(`topics: ['post:1', 'post:2']`))
	for range tabs {
		m.tabs = append(m.tabs, m.profile.open(m.address))
	}
	m.awaitLive()
	streamtest.Want(t, "streams at once", m.front.mostStreams.Load(), 1)
	return m
}

// follow ends the leading tab in each of the ways in turn, while events are published, and then
// checks what each tab has got.
func (m *many) follow(ends int, ways ...func(m *many, leader int)) {
	m.t.Helper()
	last := 0
	publishing := inBackground(m.t, func(ctx context.Context) error {
		return every(ctx, 25*time.Millisecond, func() error {
			// The end of the test must not cancel a statement: its numbers would be missing.
			_, err := m.site.sql.Exec(context.WithoutCancel(ctx), `select tidings.publish('post:1', 'number', to_jsonb(n)) from generate_series($1::int, $1 + 4) as n`, last)
			last += 5
			return err
		})
	})
	for n := range ends {
		m.awaitFlow()
		m.awaitVisible()
		ways[n%len(ways)](m, m.leader())
	}
	m.awaitFlow()
	publishing.stop()
	m.site.number(m.t, "post:1", last)
	for n, p := range m.tabs {
		p.await(fmt.Sprintf("tab %d has the last event", n), fmt.Sprintf(`numbers.at(-1) === %d`, last))
		streamtest.Want(m.t, "numbers that do not follow the one before", eval[[]int](p, `numbers.filter((n, i) => i && n !== numbers[i - 1] + 1)`), []int{})
		streamtest.Want(m.t, "what the client has told", eval[string](p, `JSON.stringify(own)`), `[["user",null]]`)
	}
	streamtest.Want(m.t, "streams", m.front.streams.Load(), 1)
	streamtest.Want(m.t, "leaders", m.leaders(), []int{m.leader()})
}

// awaitLive waits until all tabs are live.
func (m *many) awaitLive() {
	m.t.Helper()
	for _, p := range m.tabs {
		p.await("the tab is live", `window.t?.state === 'live'`)
	}
}

// awaitVisible waits until all tabs are visible: from a hidden one, only a visible one takes over.
func (m *many) awaitVisible() {
	m.t.Helper()
	for n, p := range m.tabs {
		p.await(fmt.Sprintf("tab %d is visible", n), `document.visibilityState === 'visible'`)
	}
}

// awaitFlow waits until each tab has got a new event.
func (m *many) awaitFlow() {
	m.t.Helper()
	for _, p := range m.tabs {
		p.run(`window.had = numbers.length`)
	}
	for n, p := range m.tabs {
		p.await(fmt.Sprintf("tab %d gets events", n), `numbers.length > had`)
	}
}

// leaders returns the tabs that have the lock.
func (m *many) leaders() (leaders []int) {
	m.t.Helper()
	for n, p := range m.tabs {
		if eval[bool](p, `leads > 0`) {
			leaders = append(leaders, n)
		}
	}
	return leaders
}

// leader waits until exactly one tab leads.
func (m *many) leader() int {
	m.t.Helper()
	var leaders []int
	streamtest.Eventually(m.t, "one tab leads", func() bool {
		leaders = m.leaders()
		return len(leaders) == 1
	})
	return leaders[0]
}

// replace closes a tab and opens another one.
func (m *many) replace(n int) {
	m.t.Helper()
	m.tabs[n].close()
	m.tabs = slices.Delete(m.tabs, n, n+1)
	m.leader()
	p := m.profile.open(m.address)
	p.await("the new tab is live", `window.t?.state === 'live'`)
	m.tabs = append(m.tabs, p)
}

func (m *many) closeTab(leader int) { m.replace(leader) }

func (m *many) crash(leader int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.tabs[leader].ctx, time.Second)
	defer cancel()
	_, _ = chromedp.Call(ctx, cdppage.Crash, cdp.Empty{}) // has no answer
	m.replace(leader)
}

// without calls do, after which another tab must lead, and then back.
func (m *many) without(leader int, do, back func(p *tab)) {
	m.t.Helper()
	p := m.tabs[leader]
	do(p)
	m.tabs = slices.Delete(m.tabs, leader, leader+1)
	m.leader()
	m.awaitFlow()
	back(p)
	m.tabs = append(m.tabs, p)
}

// freeze freezes the page. Chromium hides it before, and does not show it afterwards.
func (m *many) freeze(leader int) {
	m.t.Helper()
	state := func(p *tab, s cdppage.SetWebLifecycleStateState) {
		_, err := chromedp.Call(p.ctx, cdppage.SetWebLifecycleState, cdppage.SetWebLifecycleStateParams{State: s})
		streamtest.Must(m.t, err)
	}
	m.without(leader, func(p *tab) {
		state(p, cdppage.SetWebLifecycleStateStateFrozen)
	}, func(p *tab) {
		state(p, cdppage.SetWebLifecycleStateStateActive)
		p.pretend("visible")
	})
}

func (m *many) hide(leader int) {
	m.t.Helper()
	m.without(leader, func(p *tab) { p.pretend("hidden") }, func(p *tab) { p.pretend("visible") })
}

// pretend makes the page believe that it is visible or hidden: a headless browser shows all tabs, but
// for those that were frozen.
func (p *tab) pretend(state string) {
	p.t.Helper()
	p.run(fmt.Sprintf(`Object.defineProperty(document, 'visibilityState', { value: '%s', configurable: true });
		document.dispatchEvent(new Event('visibilitychange'))`, state))
}

func (m *many) cache(leader int) {
	m.t.Helper()
	m.without(leader, func(p *tab) {
		p.run(`addEventListener('pageshow', ({ persisted }) => console.log('restored', persisted))`)
		p.do("leave the page", chromedp.Navigate(m.front.page("Elsewhere")))
	}, func(p *tab) {
		// An action of chromedp would wait for a load, which a cached page does not have.
		restored := len(p.errors("restored true"))
		eval[int](p, `setTimeout(() => history.back())`)
		streamtest.Eventually(m.t, "the page comes from the back-forward cache", func() bool {
			return len(p.errors("restored true")) > restored
		})
	})
}

// stealing is a script with which a page takes the lock and never leads, as a page does that is
// frozen at that moment. After deafen(), the client of the page hears that its lock was taken only
// when hear() is called. called says whether another tab has called the roll since.
const stealing = `<script>
	window.late = Promise.resolve();
	window.deafen = async () => {
		window.late = new Promise((resolve) => { window.hear = resolve });
		window.called = false;
		const { held: [{ name }] } = await navigator.locks.query();
		new BroadcastChannel(name).onmessage = ({ data }) => { window.called ||= data.kind === 'call' };
	};
	const take = LockManager.prototype.request;
	LockManager.prototype.request = function (...args) {
		return take.apply(this, args).catch(async (error) => {
			await late;
			throw error;
		});
	};
	window.steal = async () => {
		const { held: [{ name }] } = await navigator.locks.query();
		await new Promise((taken) => {
			take.call(navigator.locks, name, { steal: true }, () => new Promise(() => taken())).catch(() => {});
		});
	};
</script>`

// Whatever happens to the lock, one tab leads after some seconds, and reads the topics of all tabs.
func TestBrowserTabs_AlwaysOneLeads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	front, profile := newFront(t, s.start(t)), newProfile(t)
	open := func(topic string) *tab {
		p := profile.open(front.page(watchLock + stealing + reader(`topics: ['`+topic+`']`)))
		p.await("the tab is live", `window.t?.state === 'live'`)
		return p
	}
	a, b := open("post:1"), open("post:2")
	last := 0
	check := func(what string) {
		t.Helper()
		last++
		s.number(t, "post:1", last)
		s.number(t, "post:2", last)
		a.await(what+": the first tab gets events", fmt.Sprintf(`numbers.at(-1) === %d`, last))
		b.await(what+": the second tab gets events", fmt.Sprintf(`numbers.at(-1) === %d`, last))
		streamtest.Eventually(t, what+": one tab leads", func() bool {
			return eval[int](a, `leads`)+eval[int](b, `leads`) == 1 && front.streams.Load() == 1
		})
	}
	check("at first")

	a.run(`await deafen()`)
	a.pretend("hidden")
	b.await("the visible tab leads", `leads === 1`)
	a.await("the visible tab calls the roll", `called`)
	streamtest.Want(t, "locks that the hidden tab believes to have", eval[int](a, `leads`), 1)
	a.run(`hear()`)
	a.await("the hidden tab leads no more", `leads === 0`)
	check("a tab is late to hear that its lock was taken")

	b.pretend("hidden")
	frozen := profile.open(front.page(stealing))
	frozen.run(`steal()`)
	b.await("the lock is lost", `leads === 0`)
	check("all tabs are hidden, and the lock belongs to a page that does not lead")
}
