package main

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A page that only reads events does not load the code of calls, threads and inboxes. While that code cannot be
// loaded, a call is rejected with a Problem, and a thread and an inbox are empty and have the state error. Once it
// can, they are what they are without the delay.
func clientLoadsCodeLater(t *testing.T, s *site, srv *server) {
	f := newFront(t, srv)
	var asked, blocked atomic.Int64
	f.edit = func(r *http.Request) {
		if r.URL.Path != "/data.js" {
			return
		}
		asked.Add(1)
		if blocked.Load() != 0 {
			r.URL.Path = "/nothing.js"
		}
	}
	blocked.Store(1)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('1', 'dan', 'one')`)
	p := newProfile(t).open(f.page(reader(`topics: ['post:1']`) + `<script type=module>
		import { Problem } from '/tidings.js';
		Math.random = () => 0; // no pause before another attempt
		window.Problem = Problem;
		window.told = [];
	</script>`)).forgive(`404|Failed to load|tidings: `)
	p.await("the stream is live", `window.t?.state === 'live' && window.told`)
	s.number(t, "post:1", 1)
	p.await("the event is there", `numbers.length === 1`)
	streamtest.Want(t, "requests for the code", asked.Load(), 0)

	streamtest.Want(t, "a call", eval[string](p, `t.comments('1').catch((error) => [error instanceof Problem, error.name, error.code].join())`), "true,Problem,unreachable")
	streamtest.Want(t, "requests for the code", asked.Load(), 4)
	p.run(`
		window.thread = t.thread('1');
		window.stop = thread.on('change', ({ added, post }) => told.push([thread.state, added.size, post].join()));
		window.inbox = t.inbox();
		inbox.on('change', () => told.push(inbox.state));
		(window.gone = t.thread('2')).close();`)
	streamtest.Want(t, "a thread", eval[string](p, `JSON.stringify([thread, thread.get('1'), thread.then])`), `[{"state":"loading","error":null,"more":false,`+
		`"post":{"id":"1","title":null,"url":null,"locked":false,"commentCount":0,"likeCount":0,"liked":false},"comments":[],"typing":{"users":[],"count":0},"presence":null},null,null]`)
	streamtest.Want(t, "a method", eval[string](p, `thread.loadMore().catch(({ code }) => code)`), "unreachable")
	p.await("the failures are told", `told.length === 2`)
	streamtest.Want(t, "changes", eval[string](p, `told.splice(0).sort().join(' ')`), "error error,0,false")
	streamtest.Want(t, "errors", eval[string](p, `thread.error.code + inbox.error.code`), "unreachableunreachable")

	blocked.Store(0)
	p.await("the comments are there", `thread.state === 'ready' && thread.comments[0]?.body === 'one'`)
	p.await("the inbox is refused", `inbox.state === 'error' && inbox.error.status === 401`)
	streamtest.Want(t, "changes", eval[string](p, `told.find((one) => one.includes(',')) + ' ' + gone.state`), "ready,1,true closed")
	p.run(`await thread.load(); stop(); thread.close()`)
	streamtest.Want(t, "state", eval[string](p, `thread.state`), "closed")
	streamtest.Want(t, "an abandoned method", eval[string](p, `gone.load().catch(({ name }) => name)`), "AbortError")
}
