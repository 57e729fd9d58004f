package api

import (
	"testing"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A reader that is refused for now comes back with the same URL, so the ticket in it must
// still be usable. This holds for every reason of refusal and both transports.
func TestTicket_OutlivesARefusal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query      string
		refuse     func(s *Server) (relent func())
		pollPasses bool // the limit is for streams alone
	}{
		"ByTheRateOfStarts": {"topic=me", func(s *Server) func() {
			return s.limitTo(t, Limits{Starts: limit.Rate{PerSecond: never}})
		}, true},
		"ByTheReplaysOfTheUser": {"topic=me&cursor=earliest", func(s *Server) func() {
			return s.limitTo(t, Limits{UserReplays: limit.Rate{PerSecond: never}})
		}, false},
		"ByTheReplaysOfTheAddress": {"topic=me&cursor=earliest", func(s *Server) func() {
			return s.limitTo(t, Limits{PerAddress: 10, AddressReplays: limit.Rate{PerSecond: never}})
		}, false},
		"ByAHubThatIsNotReady": {"topic=me", func(s *Server) func() {
			ready := s.hub
			s.hub = stream.NewHub(nil, stream.HubConfig{})
			return func() { s.hub = ready }
		}, false},
		"ByAServerThatDrains": {"topic=me", func(s *Server) func() {
			s.stopping.Store(true)
			return func() { s.stopping.Store(false) }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			query := c.query + "&ticket=" + r.ticket(t, as(t, "ann"), `["me"]`)
			relent := c.refuse(r.Server)
			block, err := r.follow(t, query, native).next()
			if err != nil || block.field("event") != "" || block.field("retry") == "" {
				t.Errorf("an EventSource is told %q, %v", block, err)
			}
			if !c.pollPasses {
				if a := r.do(t, "GET", "/v1/poll?wait=0&"+query); a.status != 429 && a.status != 503 {
					t.Errorf("status %d of a poll: %s", a.status, a.body)
				}
			}
			streamtest.Eventually(t, "the refused took no slot", func() bool { return r.limits.Taken() == 0 })
			relent()
			r.follow(t, query, native).event("stream.ready")
			r.do(t, "GET", "/v1/events?"+query, native).isProblem(t, 401, "invalid_ticket") // once
		})
	}
}

// limitTo replaces the limits until relent is called.
func (s *Server) limitTo(t *testing.T, cfg Limits) (relent func()) {
	t.Helper()
	before := s.limits
	var err error
	s.limits, err = limit.New(cfg)
	streamtest.Must(t, err)
	return func() { s.limits = before }
}

// Of several streams that use a ticket at once one is admitted. The others keep no slot.
func TestTicket_IsForOneOfManyStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ticket := r.ticket(t, as(t, "ann"), `["me"]`)
	statuses := make(chan int)
	for range 8 {
		go func() {
			res, err := r.client.Do(r.request(t, "GET", "/v1/events?topic=me&ticket="+ticket, native))
			if err != nil {
				statuses <- 0
				return
			}
			t.Cleanup(func() { res.Body.Close() })
			statuses <- res.StatusCode
		}()
	}
	got := make(map[int]int)
	for range 8 {
		got[<-statuses]++
	}
	streamtest.Want(t, "statuses", got, map[int]int{200: 1, 401: 7})
	streamtest.Eventually(t, "one slot is taken", func() bool { return r.limits.Taken() == 1 })
}
