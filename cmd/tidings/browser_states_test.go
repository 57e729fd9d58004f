package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// An elementState is a state of the element that a user meets.
type elementState struct {
	name string
	body string // HTML of the page
	// enter brings the loaded page into the state, by statements of JavaScript.
	enter string
	ready string // an expression of JavaScript that is true in the state
}

// Each state is there, and axe-core finds nothing in it, at three widths, in light and dark.
func TestElements_AreAccessible(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	story(t, s, srv)
	s.exec(t, `insert into tidings.posts (id, title, locked) values ('locked', 'Locked', true)`)
	page := openElements(t, newFront(t, srv), bellScript).forgive(`valid id`)
	live := `$('.badge')?.dataset.state === 'live' && `
	for n, st := range []elementState{
		{"list", commentsOf(t, "ann", "post=p"), ``, live + `$$('article').length > 5`},
		{"flat", commentsOf(t, "ann", "post=p flat sort=oldest"), ``, live + `$$('article').length > 5`},
		{"reply", commentsOf(t, "ann", "post=p"), `$('[data-act=reply]').click(); write('A reply', $('.acts + form textarea'))`, live + `!!$('.acts + form')`},
		{"edit", commentsOf(t, "ann", "post=p"), `$('[data-act=edit]').click()`, `!!$('.editing')`},
		{"removing", commentsOf(t, "ben", "post=p"), `$('[data-act=delete]').click()`, `!!$('.removing')`},
		{"signed-out", commentsOf(t, "", "post=p"), ``, live + `!!$('.sign-in')`},
		{"locked", commentsOf(t, "ann", "post=locked"), ``, `!!$('.locked')`},
		{"nothing", commentsOf(t, "ann", "post=other"), ``, live + `texts('.status p')[0] === 'No comments yet.'`},
		{"no-post", commentsOf(t, "ann", "post='ä'"), ``, `!!$('.error')`},
		{"arabic", `<div dir=rtl lang=ar>` + commentsOf(t, "ann", "post=p") + `</div>`, ``, `$('.title')?.textContent.includes('تعليق')`},
		{"german", commentsOf(t, "ann", "post=p lang=de"), ``, `$('.title')?.textContent.includes('Kommentare')`},
		{"target", commentsOf(t, "ann", "post=p"), `location.hash = $('.replies article:last-child').dataset.id && 'comment-' + $$('.replies article')[1].dataset.id`, `!!$('.target')`},
		{"bell", `<main><h1>A small server</h1><nav><tidings-bell token=` + userToken(t, "ben") + `></tidings-bell></nav></main>`,
			`await customElements.whenDefined('tidings-bell'); await new Promise(requestAnimationFrame); bell('.bell').click()`,
			`bellAll('.row').length > 1`},
	} {
		t.Run(st.name, func(t *testing.T) {
			p := page.in(t)
			p.run(fmt.Sprintf(`history.replaceState(null, '', '#'); document.body.innerHTML = %q`, st.body))
			p.await("it is loaded", `!document.querySelector('tidings-comments') || !!$('.place')?.firstChild || !!$('.error')`)
			p.run(st.enter)
			p.await("the state", st.ready)
			p.audit(st.name, n)
		})
	}
}

// axe-core finds nothing on the page of comments for browsers without scripts.
func TestBrowserPages_CommentsWithoutScripts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	story(t, s, srv)
	s.exec(t, `update tidings.posts set title = 'A small server', locked = true`)
	p := openTab(t)
	p.do("open", chromedp.Navigate(srv.url+"/v1/posts/-/comments.html?post=p"))
	p.audit("comments-html", 2)
}

// story writes a thread that has all that comments can have.
func story(t *testing.T, s *site, srv *server) {
	t.Helper()
	post := func(user, body string, parent *client.Comment) *client.Comment {
		t.Helper()
		n := client.NewComment{Body: body}
		if parent != nil {
			n.ParentID = &parent.ID
		}
		created, err := srv.As(userToken(t, user)).CreateComment(t.Context(), "p", n)
		streamtest.Must(t, err)
		return &created
	}
	post("dan", "Works here, nginx and all.\n\n> Quoted [text](https://example.org/)\n\n1. one\n2. two\n\n"+
		"```sql\ninsert into tidings.comments (post_id, author_id, body) values ('demo', 'dan', 'Hello from psql');\n```", nil)
	root := post("ben", "Does it survive a restart of the database? We had a failover on Tuesday, and half of the readers never came back with the old widget.", nil)
	answer := post("ann", "It does: every event has a cursor, and a tab that comes back asks for all that is later.", root)
	post("ben", "Good. And long-polling behind our proxy?", answer)
	for i := range 4 {
		post("cleo", fmt.Sprint("Answer ", i+1), root)
	}
	gone := post("ann", "Gone", nil)
	post("sara", "شكرا جزيلا على المقال!", gone)
	streamtest.Must(t, srv.As(userToken(t, "ann")).DeleteComment(t.Context(), gone.ID))
	first := post("mia", "I moved our newsroom to this last week. **Typing lines, live likes and the count on the front page**, "+
		"and all that we run is the Postgres that we had anyway.\n\nThe part that surprised me: an `INSERT` from a nightly job shows up in open tabs like any other comment.", nil)
	for _, user := range []string{"ann", "ben", "cleo"} {
		_, err := srv.As(userToken(t, user)).LikeComment(t.Context(), first.ID)
		streamtest.Must(t, err)
	}
	s.exec(t, `update tidings.comments set pinned_at = now() where id = $1::bigint`, first.ID)
	s.exec(t, `update tidings.users set name = 'سارة' where id = 'sara'`)
}

// A write that fails stays with its text until it has been sent. A comment that waits for approval
// is shown to its author. A locked post takes none. Without the server the list stays.
func TestElements_ShowWhatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	x := &spoiler{}
	f := newFront(t, &server{url: x.start(t, srv.url)})
	p := openElements(t, f, commentsOf(t, "ann", "post=p")).forgive(`Failed to load resource`)
	p.await("live", `$('.badge')?.dataset.state === 'live'`)

	x.spoil("401")
	p.run(`send('refused')`)
	p.await("it stays", `$('.failed .body')?.textContent === 'refused' && $('.failed .state').textContent.startsWith('Not sent.')`)
	p.look("failed")
	p.run(`$('[data-act=retry]').click()`)
	p.await("it is sent", `!$('.failed, .pending') && comment('refused')?.querySelector('[data-act=edit]')`)
	streamtest.Want(t, "comments in the table", value[int](t, s, `select count(*) from tidings.comments`), 1)
	x.spoil("401")
	p.run(`send('discarded')`)
	p.await("it stays", `!!$('.failed')`)
	p.run(`$('[data-act=discard]').click()`)
	p.shown("refused")
	release := x.spoil("slow")
	p.run(`send('slow')`)
	p.await("it waits", `$('.pending .state')?.textContent === 'Sending'`)
	p.look("pending")
	release()
	p.await("it is sent", `!$('.pending')`)

	s.exec(t, `create function hold() returns trigger language plpgsql as $$ begin new.status := 'pending'; return new; end $$`)
	s.exec(t, `create trigger hold before insert on tidings.comments for each row execute function hold()`)
	p.run(`send('held')`)
	p.await("it is held", `comment('held')?.parentNode.querySelector('.state').textContent.startsWith('Waits for approval')`)
	p.look("held")
	s.exec(t, `update tidings.comments set status = 'published' where body = 'held'`)
	p.await("it is approved", `comment('held')?.parentNode.querySelector('.state').textContent === ''`)

	s.exec(t, `update tidings.posts set locked = true`)
	p.await("the post is locked", `!!$('.place .locked') && !$('[data-act=reply]')`)
	s.exec(t, `update tidings.posts set locked = false`)
	p.await("it is not locked any more", `!!$('.place textarea') && !!$('[data-act=reply]')`)
	s.exec(t, `delete from tidings.posts`)
	p.await("the post is gone", `texts('.status p')[0] === 'No comments yet.'`)
}

// A server that does not answer, or not as one of ours, leads to a state with a button, and
// nothing throws or loops.
func TestElements_TakeAnyAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, func(i *instance) { i.AutoPosts = false })
	f := newFront(t, srv)
	answers := map[string]http.HandlerFunc{
		"html":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><title>Wi-Fi</title>") },
		"problem": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"code":"x"}`, http.StatusBadGateway) },
		"null":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "null") },
		"empty":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
		"endless": func(w http.ResponseWriter, r *http.Request) { trickle(w, r) },
	}
	addresses := map[string]string{"none": "http://127.0.0.1:1/", "wrong": "http://[", "scheme": "ftp:x"}
	for name, answer := range answers {
		requests := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Allow-Headers", "*")
			answer(w, r)
		})
		wrong := httptest.NewServer(requests)
		t.Cleanup(wrong.Close)
		addresses[name] = wrong.URL
	}
	page := newProfile(t).blank().forgive(`Failed to load resource|tidings-|ERR_|CORS|Fetch API cannot load`)
	page.before(fastClock)
	page.do("open", chromedp.Navigate(f.page(elementsHead)))
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			p := page.in(t)
			p.run(fmt.Sprintf("document.body.innerHTML = %q", commentsOf(t, "", fmt.Sprintf("post=p url=%q", address))+
				fmt.Sprintf("<tidings-count post=p url=%q></tidings-count><tidings-bell url=%q></tidings-bell>", address, address)))
			p.await("a state with a button", `$('.error button')?.textContent === 'Try again' && $('.error').textContent.startsWith('Comments could not be loaded.')`)
			p.look("error-" + name)
			p.run(`$('.error button').click()`)
			p.await("the state again", `!!$('.error button')`)
		})
	}
}

// A refused token, an unknown post and a second version of the script on the page: the user sees a
// state, and the console says why, once.
func TestElements_TakeWrongPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, func(i *instance) { i.AutoPosts = false })
	f := newFront(t, srv)
	s.exec(t, `insert into tidings.posts (id, title) values ('p', 'Post')`)

	refused := openElements(t, f, `<tidings-comments post=p token=a.b.c></tidings-comments>`).forgive(`401|tidings`)
	refused.await("a state", `$('.error')?.textContent.includes('Your sign-in has ended.')`)
	streamtest.Eventually(t, "the console says why", func() bool { return len(refused.errors("tidings-comments:")) == 1 })

	unknown := openElements(t, f, commentsOf(t, "ann", "post=unknown")).forgive(`404`)
	unknown.await("an empty list", `texts('.status p')[0] === 'No comments yet.'`)
	unknown.run(`send('text')`)
	unknown.await("the comment stays with the reason", `$('.failed .state')?.textContent === 'Not sent. It does not exist.'`)

	twice := openElements(t, f, commentsOf(t, "ann", "post=p")+`<script type=module src="/comments.js?version=2"></script><script type=module src=/tidings.js></script>`).forgive(`gültige Id`)
	twice.await("a list", `texts('.status p')[0] === 'No comments yet.'`)
	twice.run(`const { TidingsComments } = await import('/comments.js?version=2'); if (customElements.get('tidings-comments') === TidingsComments) throw new Error('defined twice')`)
	twice.run(`document.querySelector('tidings-comments').setAttribute('lang', 'de')`)
	twice.await("another language", `texts('.status p')[0] === 'Noch keine Kommentare.'`)
	twice.run(fmt.Sprintf(`document.querySelector('tidings-comments').token = %q`, userToken(t, "ben")))
	twice.run(`await new Promise((done) => setTimeout(done)); document.querySelector('tidings-comments').setAttribute('post', 'ä')`)
	twice.await("no post", `$('.error')?.textContent.includes('Das Attribut post fehlt')`)
}
