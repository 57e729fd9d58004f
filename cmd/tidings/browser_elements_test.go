package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// elementsHead is the head of a page with elements. $, $$ and text look into the shadow root of
// the first <tidings-comments>.
const elementsHead = `<html lang=en><meta name=viewport content="width=device-width"><title>A post</title>
<style>
	:root { color-scheme: light dark }
	body { margin: 2rem auto; max-width: 42rem; padding: 0 1.2rem; font: 1rem/1.6 system-ui, sans-serif; background: light-dark(#fff, #15171c); color: light-dark(#24252b, #e4e6eb) }
	nav { display: flex; justify-content: end }
</style>
<script>
	const root = () => document.querySelector('tidings-comments').shadowRoot;
	const $ = (selector) => root()?.querySelector(selector);
	const $$ = (selector) => [...root()?.querySelectorAll(selector) ?? []];
	const texts = (selector) => $$(selector).map((node) => node.textContent);
	const comment = (text) => $$('article').find((node) => node.querySelector('.body').textContent === text);
	const press = (text, act) => { const button = comment(text).querySelector('[data-act=' + act + ']'); button.focus(); button.click(); };
	const write = (text, area = $('.place textarea')) => { area.focus(); area.value = text; area.dispatchEvent(new Event('input')); };
	const send = (text, area = $('.place textarea')) => { write(text, area); area.form.requestSubmit(); };
</script>
<script type=module src=/comments.js></script>
`

// openElements opens a page of the site in front of the server. The body is HTML.
func openElements(t *testing.T, f *front, body string) *tab {
	t.Helper()
	p := newProfile(t).blank()
	p.do("open", chromedp.EmulateViewport(1000, 800), chromedp.Navigate(f.page(elementsHead+body)))
	return p
}

// commentsOf returns the element for a user. Attributes are HTML. Without a user nobody is signed in.
func commentsOf(t *testing.T, user, attributes string) string {
	t.Helper()
	if user != "" {
		attributes += fmt.Sprintf(" token=%q", userToken(t, user))
	}
	return fmt.Sprintf("<main><h1>A small server</h1><p>An article ends here.</p>"+
		"<tidings-comments %s><a href=/v1/posts/-/comments.html?post=p>Comments</a></tidings-comments></main>", attributes)
}

// userToken signs a token for a user with a name that pages show.
func userToken(t *testing.T, user string) string {
	t.Helper()
	return token(t, auth.Identity{Subject: user, Name: strings.ToUpper(user[:1]) + user[1:], Expires: time.Now().Add(time.Hour)})
}

// look writes a picture of the page if the flag -pictures is set:
//
//	go test ./cmd/tidings -run Elements -args -pictures /tmp
func (p *tab) look(name string) {
	p.t.Helper()
	if *pictures != "" {
		streamtest.Must(p.t, os.MkdirAll(*pictures, 0o755))
		p.screenshot(filepath.Join(*pictures, name+".png"))
	}
}

// shown waits until the list shows exactly the texts, in this order.
func (p *tab) shown(texts ...string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the list shows %q", eval[[]string](p, `texts('.body')`))
		}
	}()
	p.await(fmt.Sprintf("the list shows %q", texts), fmt.Sprintf("JSON.stringify(texts('.body')) === JSON.stringify(%s)", jsonOf(p.t, texts)))
}

// Two readers converse. What one does, the other sees without a reload.
func TestElements_AreLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	f := newFront(t, srv)
	ann := openElements(t, f, commentsOf(t, "ann", `post=p`))
	ann.await("an empty list", `texts('.status p')[0] === 'No comments yet.' && $('.badge')?.dataset.state === 'live'`)
	ann.look("empty")
	ben := openElements(t, f, commentsOf(t, "ben", `post=p`))
	ben.await("Ben is live", `$('.badge')?.dataset.state === 'live'`)
	ann.await("both read", `$('.viewers').textContent === '2 readers'`)

	ben.run(`write('Good morning')`)
	ann.await("Ann sees Ben type", `$('.typing').textContent === 'Ben is typing'`)
	ben.run(`send('Good *morning*')`)
	ben.shown("Good morning")
	ann.shown("Good morning")
	ann.await("the text is HTML, and the title counts", `$('.body em').textContent === 'morning' && $('.title').textContent === '1 comment'`)

	ann.run(`press('Good morning', 'like')`)
	ben.await("Ben sees the like", `$('.acts .like').textContent === '1' && $('.acts .like').getAttribute('aria-pressed') === 'false'`)
	ann.run(`press('Good morning', 'reply'); send('And to you', $('.acts + form textarea'))`)
	ben.shown("Good morning", "And to you")
	ben.run(`press('And to you', 'reply'); send('Thanks', comment('And to you').querySelector('textarea'))`)
	ann.shown("Good morning", "And to you", "Thanks")
	ann.await("the reply names its parent", `comment('Thanks').querySelector('.addressee').textContent === 'to Ann'`)
	ann.look("conversation")

	ann.run(`press('And to you', 'edit')`)
	ann.look("edit")
	ann.run(`send('And to you, Ben', $('.editing textarea'))`)
	ben.shown("Good morning", "And to you, Ben", "Thanks")
	ben.await("the edit is marked", `!!comment('And to you, Ben').querySelector('.edited')`)
	ann.await("the button has the focus again", `root().activeElement?.dataset.act === 'edit'`)

	ann.run(`press('And to you, Ben', 'delete')`)
	ann.await("a deletion can be undone", `root().activeElement?.dataset.act === 'undo' && texts('.removing .state')[0] === 'Comment deleted.'`)
	ann.look("undo")
	ann.run(`root().activeElement.click()`)
	ann.await("undone", `!$('.removing') && root().activeElement?.dataset.act === 'delete'`)
	ben.run(`press('Thanks', 'delete'); document.querySelector('tidings-comments').remove()`)
	ann.shown("Good morning", "And to you, Ben") // the deletion is sent when the element ends
	if said := append(ann.said(), ben.said()...); len(said) > 0 {
		t.Errorf("the consoles have messages: %q", said)
	}
}

// A new comment moves nothing that is read: a button shows it. The focus and a draft stay where
// they are, also if their comment changes, moves or goes.
func TestElements_KeepWhatIsRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	for i := range 60 {
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('p', 'dan', $1)`, fmt.Sprint("number ", i))
	}
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, parent_id) select 'p', 'cat', 'reply ' || n, (select id from tidings.comments where body = 'number 58') from generate_series(1, 9) n`)
	f := newFront(t, srv)
	ann := openElements(t, f, commentsOf(t, "ann", `post=p`))
	ann.await("a page of comments", `$$('.comments > li').length === 20 && $('.badge').dataset.state === 'live'`)

	top := func() float64 { return eval[float64](ann, `comment('number 57').getBoundingClientRect().top`) }
	ann.run(`comment('number 57').querySelector('[data-act=reply]').focus()`)
	before := top()
	for i := range 3 {
		s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('p', 'ben', $1)`, fmt.Sprint("new ", i))
	}
	ann.await("a button counts what is new", `$('.fresh').textContent === '3 new comments' && !$('.fresh').hidden`)
	streamtest.Want(t, "the place of a comment", top(), before)
	ann.await("screen readers hear of it", `$('.unseen').textContent === '3 new comments'`)
	ann.look("new-comments")
	streamtest.Want(t, "the focus", eval[string](ann, `root().activeElement.closest('article').querySelector('.body').textContent`), "number 57")
	ann.run(`$('.fresh').click()`)
	ann.await("they are shown, and the first has the focus", `root().activeElement.querySelector('.body').textContent === 'new 2' && $('.fresh').hidden`)

	ann.run(`[...$$('[data-act=replies]')][0].click()`)
	ann.await("all replies", `texts('.replies .body').length === 9 && root().activeElement.textContent.includes('reply 4')`)
	ann.run(`$('.list > .more').click()`)
	ann.await("the next page", `$$('.comments > li').length === 43`)

	ann.run(`press('number 57', 'reply'); write('a draft', comment('number 57').querySelector('textarea'))`)
	s.exec(t, `update tidings.comments set pinned_at = now() where body = 'number 57'`)
	ann.await("a pinned comment moves up", `texts('.body')[0] === 'number 57'`)
	streamtest.Want(t, "the focus after the move", eval[string](ann, `root().activeElement.value ?? ''`), "a draft")
	s.exec(t, `delete from tidings.comments where body = 'number 57'`)
	ann.await("a deleted comment stays below its draft", `$('.gone textarea')?.value === 'a draft' && root().activeElement === $('.gone textarea')`)
	ann.run(`$('.gone textarea').form.querySelector('.quiet').click(); press('number 56', 'reply'); press('number 55', 'like')`)
	ann.run(`comment('number 54').querySelector('[data-act=reply]').focus()`)
	s.exec(t, `delete from tidings.comments where body = 'number 54'`)
	ann.await("the focus goes to the next comment", `root().activeElement?.querySelector('.body')?.textContent === 'number 53'`)
}

// A link to a comment loads the page of the list or of replies that it needs, at the start and later.
// One to a comment that does not exist changes nothing. The control for the order shows another one.
func TestElements_FollowLinksAndOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, created_at) select 'p', 'dan', 'root ' || n, now() - interval '1 hour' + interval '1 minute' * n from generate_series(0, 39) n`)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body, parent_id) select 'p', 'cat', 'reply ' || n, (select id from tidings.comments where body = 'root 2') from generate_series(1, 9) n`)
	id := func(body string) int64 {
		return value[int64](t, s, `select id from tidings.comments where body = $1`, body)
	}
	address := newFront(t, srv).page(elementsHead + commentsOf(t, "", `post=p`))
	p := newProfile(t).open(fmt.Sprintf("%s#comment-%d", address, id("reply 8"))).forgive(`404`)
	target := func(body string) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Log(eval[string](p, `JSON.stringify([location.hash, texts('.target .body'), root().activeElement?.outerHTML, $('.target')?.getBoundingClientRect(), innerHeight, texts('.body')])`))
			}
		}()
		p.await(body+" is marked, visible and has the focus", fmt.Sprintf(`texts('.target .body').join() === %q && root().activeElement === $('.target') &&
			$('.target').getBoundingClientRect().top > 0 && $('.target').getBoundingClientRect().bottom < innerHeight`, body))
	}
	target("reply 8")
	p.run(fmt.Sprintf(`location.hash = 'comment-%d'`, id("root 5")))
	target("root 5")
	p.run(`location.hash = 'comment-999999'; await new Promise(requestAnimationFrame); location.hash = 'comment-x'`)
	target("root 5")

	first := func(order, body string) {
		t.Helper()
		p.run(fmt.Sprintf(`const sort = $('.sort'); sort.value = %q; sort.dispatchEvent(new Event('change'))`, order))
		p.await(order, fmt.Sprintf(`texts('.body')[0] === %q`, body))
	}
	first("oldest", "root 0")
	_, err := srv.as(t, "ann").LikeComment(t.Context(), fmt.Sprint(id("root 7")))
	streamtest.Must(t, err)
	first("top", "root 7")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('p', 'ben', 'new')`)
	p.await("the title counts", `$('.title').textContent === '50 comments'`)
	first("newest", "new")
}

// jsonOf returns a value as JavaScript.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	streamtest.Must(t, err)
	return string(text)
}
