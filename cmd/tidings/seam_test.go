package main

import (
	"strconv"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
)

// A reader that replays from the log becomes live without a seam, whoever of the hub
// and the reader is told first by Postgres.
func TestReplayMeetsLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) *tap
	}{
		{"WhenTheHubIsAheadOfTheReader", func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) (behind *tap) {
			live := sse(t, srv.Client, "now", "post:a")
			s.tick(t, 6)
			live.await(t, "the sixth", tick(6)) // the hub has just read: it will not do so by itself
			release := holdAnswer(t, p, func() { behind = sse(t, srv.Client, "1-0", "post:a") })
			s.tick(t, 7)
			live.await(t, "the seventh", tick(7)) // which what is held back does not have
			release()
			return behind
		}},
		{"WhenTheReaderIsAheadOfTheHub", func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) *tap {
			live := sse(t, srv.Client, "now", "post:a")
			s.tick(t, 6)
			live.await(t, "the sixth", tick(6))
			release := holdAnswer(t, p, func() { s.tick(t, 7) }) // which the hub asks for
			ahead := sse(t, srv.Client, "1-0", "post:a")
			ahead.await(t, "the seventh", tick(7))
			release()
			live.await(t, "the seventh", tick(7))
			return ahead
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for n := range 5 {
				s.tick(t, n+1)
			}
			p, through := storetest.Proxy(t, s.dsn)
			srv := s.start(t, func(i *instance) {
				i.DatabaseURL, i.ListenURL = through, s.dsn
				i.RingEvents = 1 // so that the past must come from the log
			})
			// Once before, so that the connection knows the query and answers at once.
			sse(t, srv.Client, "1-0", "post:a").await(t, "the fifth", tick(5))
			x := c.test(t, s, p, srv)
			s.tick(t, 8)
			s.end(t, "post:a")
			x.rest(t)
			must(t, compare(x.seen, s.logged(t, "post:a"), true))
		})
	}
}

// tick publishes a number.
func (s *site) tick(t *testing.T, n int) {
	t.Helper()
	s.exec(t, `select tidings.publish('post:a', 'tick', to_jsonb($1::int))`, n)
}

// tick is for await.
func tick(n int) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == "tick" && string(e.Data) == strconv.Itoa(n) }
}

// holdAnswer holds back the next answer of Postgres until release is called. ask must
// cause an answer. Later answers on other connections pass.
func holdAnswer(t *testing.T, p *tcpproxy.Proxy, ask func()) (release func()) {
	t.Helper()
	hold := p.Hold(tcpproxy.ToClient)
	ask()
	eventually(t, "an answer is held back", func() bool { return hold.Held() > 0 })
	hold.End()
	return hold.Release
}
