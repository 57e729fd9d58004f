package main

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// pictures writes pictures of the pages for moderators and operators to a folder, in each size and
// color scheme:
//
//	go test ./cmd/tidings -run BrowserPages -args -browser.looks -pictures /tmp
var pictures = flag.String("pictures", "", "write pictures of the pages to this folder")

// prefer sets the color scheme that the user prefers.
func (p *tab) prefer(scheme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	streamtest.Must(p.t, err)
}

// staff returns a token of a user with roles.
func staff(t *testing.T, user string, roles ...string) string {
	t.Helper()
	return token(t, auth.Identity{Subject: user, Name: strings.ToUpper(user[:1]) + user[1:], Roles: roles, Expires: time.Now().Add(time.Hour)})
}

// signIn types a token into the form of a page.
func (p *tab) signIn(token string) {
	p.t.Helper()
	p.await("the form is there", `!document.getElementById('sign-in').hidden`)
	p.do("sign in", chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"))
	p.await("the form is gone", `document.getElementById('sign-in').hidden && !document.getElementById('main').hidden`)
}

// The inspector shows the readers, rates and events of a server, asks for a token, and keeps it out
// of addresses.
func TestBrowserPages_Inspect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	p := openTab(t).forgive(`401 \(Unauthorized\)|403 \(Forbidden\)`)
	p.do("open", chromedp.EmulateViewport(1280, 900), chromedp.Navigate(srv.url+"/inspect"))
	p.await("it says what is missing", `document.getElementById('sign-in-reason').textContent.includes('token')`)
	p.do("sign in as no moderator", chromedp.SendKeys(chromedp.CSS("#token"), staff(t, "ann")+"\r"))
	p.await("it says why", `document.getElementById('sign-in-reason').textContent.includes('moderator')`)
	p.audit("inspect-sign-in", 0)
	p.signIn(staff(t, "mia", auth.RoleModerator))
	p.await("it is live", `document.getElementById('state').dataset.state === 'live'`)

	reader := eval[bool](p, `(window.source = new EventSource('/v1/events?topic=post:1&topic=post:2'), true)`)
	streamtest.Want(t, "a reader is there", reader, true)
	p.await("it counts the reader", `document.getElementById('figures').textContent.includes('Streams1')`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select '1', 'ann', 'Comment ' || n from generate_series(1, 30) as n`)
	p.await("it shows the events", `document.getElementById('recent').textContent.includes('new-comment')`)
	p.await("it shows the deliveries", `[...document.querySelectorAll('.chart')].some((c) => c.textContent.startsWith('Deliveries') && !c.textContent.endsWith('highest 0/s'))`)
	p.await("it shows this instance", `document.getElementById('instances').textContent.includes('this one')`)
	streamtest.Want(t, "the address", eval[string](p, `location.href`), srv.url+"/inspect")
	streamtest.Want(t, "texts of comments", strings.Contains(eval[string](p, `document.body.innerText`), "Comment 3"), false)
	p.audit("inspect", 1)
	p.run(`document.getElementById('pause').click()`)
	p.await("it rests", `document.getElementById('state').textContent === 'paused'`)
	p.run(`document.getElementById('sign-out').click(); document.getElementById('pause').click()`)
	p.await("it asks again", `!document.getElementById('sign-in').hidden`)
}

// The first comment in the list of the moderators' page, and the texts of all.
const (
	firstCard = `document.querySelector('.comment')`
	cardTexts = `[...document.querySelectorAll('.comment .text')].map((p) => p.textContent).join('|')`
)

// A moderator works through the queue with the keys, while others write and moderate.
func TestBrowserPages_Moderate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	const hostile = `<img src=x onerror="document.title='hit'">`
	s.exec(t, `insert into tidings.posts (id, title) values ('blog/1', 'A blog'), ('2', null)`)
	s.exec(t, `
		insert into tidings.comments (post_id, author_id, body, status, created_at)
		select 'blog/1', 'ann', text, status, now() - interval '1 minute' * n
		from (values (1, 'third', 'pending'), (2, 'second', 'pending'), (3, $1, 'pending'), (4, 'public', 'published')) as v (n, text, status)`, hostile)
	p := openTab(t).forgive(`401 \(Unauthorized\)|403 \(Forbidden\)|412 \(Precondition Failed\)|site:moderation`)
	p.do("open", chromedp.EmulateViewport(1280, 900), chromedp.Navigate(srv.url+"/moderate"))
	p.signIn(staff(t, "mia", auth.RoleModerator))
	p.await("the queue is there", cardTexts+` === `+fmt.Sprintf("%q", hostile+"|second|third"))
	p.await("the number is there", `document.title.startsWith('(3)')`)
	p.await("it is live", `document.getElementById('state').dataset.state === 'live'`)
	streamtest.Want(t, "the address", eval[string](p, `location.href`), srv.url+"/moderate")
	status := func(body string) string {
		t.Helper()
		return value[string](t, s, `select status from tidings.comments where body = $1`, body)
	}
	press := func(what, key string) {
		t.Helper()
		p.do(what, chromedp.KeyEvent(key))
	}

	press("go to the first", "j")
	p.await("it has the focus", `document.activeElement === `+firstCard)
	press("approve it", "a")
	p.await("it is gone", cardTexts+` === 'second|third'`)
	streamtest.Want(t, "status of the first", status(hostile), "published")
	p.await("the focus is on the next", `document.activeElement === `+firstCard)
	p.await("the number follows", `document.title.startsWith('(2)')`)
	press("hide it", "h")
	p.await("it is gone", cardTexts+` === 'third'`)
	streamtest.Want(t, "status of the second", status("second"), "rejected")
	press("undo", "u")
	p.await("it is back", cardTexts+`.includes('second')`)
	streamtest.Want(t, "status after undo", status("second"), "pending")

	p.await("undo is over", `document.getElementById('notice').textContent === 'Undone.'`)
	p.run(`[...document.querySelectorAll('.comment')].find((c) => c.textContent.includes('second')).focus()`)
	p.run(`document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', repeat: true, bubbles: true }))`)
	press("mark it as spam", "s")
	p.await("a key that is held down does nothing", cardTexts+` === 'third'`)
	streamtest.Want(t, "status of the second", status("second"), "spam")
	press("undo", "u")
	p.await("it is back", cardTexts+`.includes('second')`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, status) values ('2', 'eve', 'one', 'pending'), ('2', 'eve', 'two', 'pending')`)
	p.await("two arrive", cardTexts+`.endsWith('one|two')`)
	at := eval[[]float64](p, `(() => {
		const all = [...document.querySelectorAll('.comment')], card = all.at(-2);
		document.querySelector('main').style.paddingBottom = '500px';
		card.scrollIntoView({ block: 'start' });
		const r = card.querySelector('button').getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`)
	p.do("click", chromedp.MouseClickXY(at[0], at[1]))
	p.await("the first of them is gone, and the second in its place", cardTexts+`.endsWith('two') && !`+cardTexts+`.includes('one') &&
		document.elementFromPoint(`+fmt.Sprintf("%f, %f", at[0], at[1])+`)?.textContent === 'Approve'`)
	p.do("the second click of a double click", chromedp.MouseClickXY(at[0], at[1], chromedp.ClickCount(2)))
	press("undo", "u")
	p.await("the click has done nothing that could be undone", cardTexts+`.includes('one') && `+cardTexts+`.includes('two')`)
	streamtest.Want(t, "status of the next", status("two"), "pending")

	p.run(`(() => {
		const real = window.fetch;
		const held = new Promise((resolve) => { window.release = resolve; });
		window.fetch = async (...args) => {
			const answer = await real(...args);
			if (String(args[0]?.url ?? args[0]).includes('/moderation')) { window.answered = true; await held; }
			return answer;
		};
	})()`)
	press("the list again", "1")
	p.await("its answer is late", `window.answered`)
	s.exec(t, `update tidings.comments set status = 'published' where body in ('one', 'two')`)
	p.await("the events come first", `document.title.startsWith('(2)')`)
	p.run(`window.release()`)
	p.await("the list is that of now", cardTexts+` === 'second|third' && document.title.startsWith('(2)')`)

	s.exec(t, `insert into tidings.comments (post_id, author_id, body, status) values ('2', 'eve', 'buy this', 'pending')`)
	p.await("a new one arrives", cardTexts+`.includes('buy this')`)
	p.audit("moderate", 2)
	id := value[int64](t, s, `select id from tidings.comments where body = 'third'`)
	_, err := srv.as(t, "max", auth.RoleModerator).SetStatus(t.Context(), fmt.Sprint(id), "published")
	streamtest.Must(t, err)
	p.await("what another moderator approves is gone", `!`+cardTexts+`.includes('third') && document.getElementById('notice').textContent === 'max: published'`)
	// A change without an event, so the page has an older version.
	s.exec(t, `begin; set local session_replication_role = replica;
		update tidings.comments set body = 'buy that', version = version + 1 where body = 'buy this'; commit`)
	p.run(`[...document.querySelectorAll('.comment')].find((c) => c.textContent.includes('buy this')).focus()`)
	press("approve it", "a")
	p.await("it is shown as it is now", `document.activeElement.textContent.includes('buy that')`)
	p.await("the notice says why", `document.getElementById('notice').textContent.includes('changed meanwhile')`)
	streamtest.Want(t, "status of what the moderator has not seen", status("buy that"), "pending")
	press("spam it", "s")
	p.await("it is gone", `!`+cardTexts+`.includes('buy that')`)
	streamtest.Want(t, "status of what the moderator has seen", status("buy that"), "spam")
	s.exec(t, `begin; set local session_replication_role = replica;
		update tidings.comments set body = 'buy it all', version = version + 1 where body = 'buy that'; commit`)
	press("undo", "u")
	p.await("the notice says why not", `document.getElementById('notice').textContent.includes('changed meanwhile')`)
	streamtest.Want(t, "status after the change of another one", status("buy it all"), "spam")
	press("help", "?")
	p.await("it is open", `document.getElementById('help').open`)
	p.audit("moderate-keys", 3)
	press("close it", "\x1b")
	p.await("it is closed", `!document.getElementById('help').open`)

	press("the list of deleted ones", "4")
	p.await("it is empty", `!document.getElementById('empty').hidden`)
	p.audit("moderate-empty", 4)
	press("the list of a post", "5")
	p.do("name it", chromedp.SendKeys(chromedp.CSS("#post"), "blog/1\r"))
	p.await("its comments are there", cardTexts+`.includes('public')`)
	p.run(`[...document.querySelectorAll('.comment')].find((c) => c.textContent.includes('public')).focus()`)
	press("pin it", "p")
	p.await("it is pinned", `document.activeElement.textContent.includes('Unpin')`)
	streamtest.Want(t, "it is pinned", value[bool](t, s, `select pinned_at is not null from tidings.comments where body = 'public'`), true)
	s.exec(t, `update tidings.comments set body = 'public, edited', edited_at = now() where body = 'public'`)
	p.await("an edit arrives", `document.activeElement.textContent.includes('public, edited')`)
	press("its versions", "v")
	p.await("they are there", `document.activeElement.querySelector('.revisions pre')?.textContent === 'public'`)
	p.audit("moderate-post", 5)
	press("lock the post", "l")
	p.await("moderators may not", `document.getElementById('notice').textContent.includes('service or admin')`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('blog/1', 'ben', 'live')`)
	p.await("a comment arrives", cardTexts+`.includes('live')`)
	streamtest.Want(t, "the hostile text has run", eval[string](p, `document.title`) == "hit", false)

	p.run(`document.getElementById('sign-out').click()`)
	p.signIn(staff(t, "root", auth.RoleAdmin))
	p.await("the post is there", cardTexts+`.includes('live')`)
	p.run(`document.getElementById('lock').click()`)
	p.await("it is locked", `document.getElementById('lock').getAttribute('aria-pressed') === 'true'`)
	streamtest.Want(t, "it is locked", value[bool](t, s, `select locked from tidings.posts where id = 'blog/1'`), true)
}
