package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A reader that replays the log and then becomes live gets each event once. The answers
// of Postgres are held back, so that either the hub or the reader is ahead.
func TestReplay_BecomesLiveWithoutASeam(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) *tap
	}{
		{"WhenTheHubIsAheadOfTheReader", func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) (behind *tap) {
			live := sse(t, srv.Client, "now", "post:a")
			s.tick(t, 6)
			live.await(t, "the sixth", tick(6))
			release := holdAnswer(t, p, func() { behind = sse(t, srv.Client, "1-0", "post:a") })
			s.tick(t, 7)
			live.await(t, "the seventh", tick(7)) // the answer that is held back is older
			release()
			return behind
		}},
		{"WhenTheReaderIsAheadOfTheHub", func(t *testing.T, s *site, p *tcpproxy.Proxy, srv *server) *tap {
			live := sse(t, srv.Client, "now", "post:a")
			s.tick(t, 6)
			live.await(t, "the sixth", tick(6))
			release := holdAnswer(t, p, func() { s.tick(t, 7) }) // the answer to the hub
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
				i.RingEvents = 1        // readers that resume read the log
				i.tick = 24 * time.Hour // the hub reads the log only for the ticks below
			})
			// The first read prepares the query on the connection.
			sse(t, srv.Client, "1-0", "post:a").await(t, "the fifth", tick(5))
			x := c.test(t, s, p, srv)
			s.tick(t, 8)
			s.end(t, "post:a")
			x.rest(t)
			streamtest.Must(t, compare(x.seen, s.logged(t, "post:a"), true))
		})
	}
}

// tick publishes the number n.
func (s *site) tick(t *testing.T, n int) {
	t.Helper()
	s.exec(t, `select tidings.publish('post:a', 'tick', to_jsonb($1::int))`, n)
}

// tick matches the event with the number n.
func tick(n int) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == "tick" && string(e.Data) == strconv.Itoa(n) }
}

// holdAnswer holds back the next answer of Postgres until release is called. ask must
// cause an answer. Later answers on other connections pass.
func holdAnswer(t *testing.T, p *tcpproxy.Proxy, ask func()) (release func()) {
	t.Helper()
	hold := p.Hold(tcpproxy.ToClient)
	ask()
	streamtest.Eventually(t, "an answer is held back", func() bool { return hold.Held() > 0 })
	hold.End()
	return hold.Release
}
