package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// reader is a page that reads topics and keeps the numbers that events have brought. The options
// are those of the client, as JavaScript.
func reader(options string) string {
	return fmt.Sprintf(`<script type=module>
		import { Tidings } from '/tidings.js';
		window.numbers = [];
		window.states = [];
		window.own = [];
		const t = window.t = new Tidings({ %s });
		t.on('number', ({ data }) => numbers.push(data));
		t.on('state', ({ data }) => states.push(data));
		for (const name of ['user', 'gap', 'refused', 'error']) t.on(name, ({ data }) => own.push([name, data]));
	</script>`, options)
}

// number publishes a number.
func (s *site) number(t *testing.T, topic string, n int) {
	t.Helper()
	s.exec(t, `select tidings.publish($1, 'number', to_jsonb($2::int))`, topic, n)
}

// The client does what the cases say, one after the other with one server.
func TestBrowserClient(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	for name, test := range map[string]func(*testing.T, *site, *server){
		"RepeatsRequests":             clientRepeatsRequests,
		"ReadsTopics":                 clientReadsTopics,
		"NamesTopicsWithoutRoom":      clientNamesTopicsWithoutRoom,
		"Tokens":                      clientRenewsTokens,
		"StreamsWhenTheNetworkIsBack": clientStreamsWhenTheNetworkIsBack,
		"TwoCopiesOnOnePage":          clientIsOnThePageTwice,
		"LoadsCodeLater":              clientLoadsCodeLater,
		"SandboxedFrame":              clientWorksInASandboxedFrame,
	} {
		t.Run(name, func(t *testing.T) { test(t, s, srv) })
	}
}

// A page gets the events of its topics, and only those. It can add and remove topics.
func clientReadsTopics(t *testing.T, s *site, srv *server) {
	for name, options := range map[string]string{"Shared": "", "Alone": ", tabs: false"} {
		t.Run(name, func(t *testing.T) {
			a, b := "post:a-"+name, "post:b-"+name
			p := openPage(t, srv, reader(`topics: ['`+a+`']`+options))
			p.await("the stream is live", `window.t?.state === 'live'`)
			s.number(t, a, 1)
			s.number(t, b, 2)
			s.number(t, a, 3)
			p.await("the events are there", `numbers.length === 2`)
			before := s.cursor(t, value[int64](t, s, `select max(position) from tidings.log`))
			s.number(t, b, 4)
			p.run(fmt.Sprintf(`t.subscribe('%s', { cursor: '%s' }); t.subscribe('%s')`, b, before, b))
			s.number(t, a, 5)
			p.await("the event after the cursor is there", `numbers.includes(4) && numbers.includes(5)`)
			s.number(t, b, 6)
			p.await("the topic is live", `numbers.includes(6)`)
			p.run(fmt.Sprintf(`t.unsubscribe('%s')`, b))
			s.number(t, b, 7)
			p.await("one subscriber is left", `numbers.includes(7)`)
			p.run(fmt.Sprintf(`t.unsubscribe('%s')`, b))
			s.number(t, b, 8)
			s.number(t, a, 9)
			p.await("the last event is there", `numbers.includes(9)`)
			streamtest.Want(t, "numbers", eval[[]int](p, `numbers.toSorted((a, b) => a - b)`), []int{1, 3, 4, 5, 6, 7, 9})
			streamtest.Want(t, "states", strings.Join(eval[[]string](p, `states`), " "), "live")
			streamtest.Want(t, "what the client has told", eval[string](p, `JSON.stringify(own)`), `[["user",null]]`)
			p.run(`t.close()`)
			streamtest.Want(t, "state", eval[string](p, `t.state`), "closed")
		})
	}
}

// Tabs with more topics than one connection has room for have several. What does not fit into one of
// its own is told to a tab by name, and so is a topic that is none; the others go on.
func clientNamesTopicsWithoutRoom(t *testing.T, s *site, srv *server) {
	f, profile := newFront(t, srv), newProfile(t)
	open := func(first, last int, more string) *tab {
		t.Helper()
		p := profile.open(f.page(reader(fmt.Sprintf(`topics: [%s ...Array.from({ length: %d }, (_, n) => 'post:' + (n + %d))]`, more, last-first+1, first)))).forgive(`_topic|status of 400`)
		p.await("the tab is live", `window.t?.state === 'live'`)
		return p
	}
	a := open(1, 30, "")
	b := open(31, 60, "")
	streamtest.Eventually(t, "the second tab has its own connection", func() bool { return f.streams.Load() == 2 })
	c := open(61, 120, "'post',")
	c.await("topics are refused", `own.filter(([name]) => name === 'refused').length === 2`)
	streamtest.Eventually(t, "and the third tab, too", func() bool { return f.streams.Load() == 3 })
	streamtest.Want(t, "refused topics", eval[string](c, `own.filter(([name]) => name === 'refused').map(([, { topics, problem }]) => problem.code + ' ' + topics).sort().join('; ')`),
		"invalid_topic post; too_many_topics post:110,post:111,post:112,post:113,post:114,post:115,post:116,post:117,post:118,post:119,post:120")
	for n, p := range []*tab{a, b, c} {
		p.run(`t.on('warm', () => { window.warm = true })`)
		streamtest.Eventually(t, "its stream is open", func() bool {
			s.exec(t, `select tidings.publish($1, 'warm', '1')`, fmt.Sprint("post:", 2+30*n))
			return eval[bool](p, `Boolean(window.warm)`)
		})
		s.number(t, fmt.Sprint("post:", 1+30*n), n+1)
		s.number(t, fmt.Sprint("post:", 30+30*n), n+10)
		p.await("it has the events of its topics", fmt.Sprintf(`numbers.join() === '%d,%d'`, n+1, n+10))
	}
	streamtest.Eventually(t, "the console names them", func() bool { return len(c.errors("tidings: ")) == 2 })
}
