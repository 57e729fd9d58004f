package api

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// never is a rate at which no bucket gets a token during a test.
const never = 1e-9

func limited(l Limits) func(*setup) {
	return func(s *setup) { s.api.Limits = l }
}

// metric returns the value of a metric without labels.
func (r *rig) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(r.do(t, "GET", "/metrics").body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return "missing"
}

// native makes a request look like an EventSource's.
var native = header("Accept", "text/event-stream")

// refused returns how often a limit has refused a request.
func (r *rig) refused(t testing.TB, why limit.Refusal) int {
	t.Helper()
	return int(r.scrape(t)["tidings_refusals_total{reason="+string(why)+"}"])
}

// wantRefusal checks that both transports refuse a reader for this reason.
func (r *rig) wantRefusal(t *testing.T, why limit.Refusal, status int, code, query string, edits ...edit) {
	t.Helper()
	before := r.refused(t, why)
	for i, path := range []string{"/v1/events?", "/v1/poll?wait=0&"} {
		p := r.do(t, "GET", path+query, edits...)
		p.isProblem(t, status, code)
		seconds, err := strconv.Atoi(p.header.Get("Retry-After"))
		streamtest.Must(t, err)
		if seconds < 5 || seconds > 17 {
			t.Errorf("Retry-After is %d", seconds)
		}
		streamtest.Want(t, "refusals for "+string(why), r.refused(t, why)-before, i+1)
	}
}

// leavesTicket checks that a reader that a limit refused can use its ticket later.
func leavesTicket(t *testing.T, limits Limits) {
	t.Parallel()
	r := newRig(t, limited(limits))
	ticket := r.ticket(t, as(t, "ann"), `["me"]`)
	first := r.follow(t, "topic=post:1", as(t, "ann"))
	first.event("stream.ready")
	if block, err := r.follow(t, "topic=me&ticket="+ticket, native).next(); err != nil || block.field("event") != "" || block.field("retry") == "" {
		t.Errorf("an EventSource is told %q, %v", block, err)
	}
	later := r.do(t, "GET", "/v1/events?topic=me&ticket="+ticket, header("Accept", "application/problem+json, text/event-stream"))
	if later.status != 429 && later.status != 503 {
		t.Errorf("status %d: %s", later.status, later.body)
	}
	first.leave()
	streamtest.Eventually(t, "the slot is free", func() bool { return r.limits.Taken() == 0 })
	r.follow(t, "topic=me&ticket="+ticket, native).event("stream.ready")
}

func TestLimits(t *testing.T) {
	t.Parallel()

	t.Run("OfTheProcessHoldsForBothTransportsAndDisplacesNoReader", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{Streams: 2}))
		first := r.follow(t, "topic=post:1")
		first.event("stream.ready")
		polled := make(chan answer, 1)
		cursor := r.head(t)
		go func() { polled <- r.do(t, "GET", "/v1/poll?topic=post:1&wait=50&cursor="+cursor) }()
		streamtest.Eventually(t, "two slots are taken", func() bool { return r.limits.Taken() == 2 })
		r.wantRefusal(t, limit.Full, 503, "unavailable", "topic=post:1")
		r.publish(t, "post:1", "x", `1`)
		first.event("x")
		streamtest.Want(t, "poll", (<-polled).status, 200)
		streamtest.Eventually(t, "the poll's slot is free", func() bool { return r.limits.Taken() == 1 })
		r.follow(t, "topic=post:1").event("stream.ready")
	})

	for name, limits := range map[string]Limits{
		"OfTheProcess": {Streams: 1}, "OfTheAddress": {PerAddress: 1}, "OfTheUser": {PerUser: 1},
	} {
		t.Run(name+"LeavesATicketForTheNextTime", func(t *testing.T) { leavesTicket(t, limits) })
	}
	t.Run("OfAUserDoesNotCountOthers", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{PerUser: 1}))
		ann := r.follow(t, "topic=me", as(t, "ann"))
		ann.event("stream.ready")
		r.wantRefusal(t, limit.User, 429, "rate_limited", "topic=me", as(t, "ann"))
		r.follow(t, "topic=me", as(t, "bob")).event("stream.ready")
		r.follow(t, "topic=post:1").event("stream.ready")
		ann.leave()
		streamtest.Eventually(t, "ann's slot is free", func() bool { return r.limits.Taken() == 2 })
		r.follow(t, "topic=me", as(t, "ann")).event("stream.ready")
	})

	t.Run("OfAnAddressIgnoresForwardedForFromOthers", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{PerAddress: 1, TrustedProxies: []string{"10.0.0.0/8"}}))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "203.0.113.1")).event("stream.ready")
		r.wantRefusal(t, limit.Address, 429, "rate_limited", "topic=post:1", header("X-Forwarded-For", "203.0.113.2"))
	})

	t.Run("OfAnAddressReadsForwardedForFromATrustedProxy", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{PerAddress: 1, TrustedProxies: []string{"127.0.0.1", "10.0.0.0/8"}}))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "203.0.113.1, 10.1.1.1")).event("stream.ready")
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "203.0.113.2")).event("stream.ready")
		// What stands left of the first untrusted address was written by the client.
		r.wantRefusal(t, limit.Address, 429, "rate_limited", "topic=post:1", header("X-Forwarded-For", "198.51.100.9, 203.0.113.1"))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "2001:db8:0:1::1")).event("stream.ready")
		r.wantRefusal(t, limit.Address, 429, "rate_limited", "topic=post:1", header("X-Forwarded-For", "2001:db8:0:1:ffff::2"))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "2001:db8:0:2::1")).event("stream.ready")
	})

	t.Run("OfAnAddressReadsPortsAndReportsWhatItCannotRead", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{PerAddress: 1, TrustedProxies: []string{"127.0.0.1"}}))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "203.0.113.7:4711")).event("stream.ready")
		r.wantRefusal(t, limit.Address, 429, "rate_limited", "topic=post:1", header("X-Forwarded-For", "203.0.113.7:4712"))
		r.follow(t, "topic=post:1", header("X-Forwarded-For", "[2001:db8::1]:80")).event("stream.ready")
		streamtest.Want(t, "unreadable addresses", r.metric(t, "tidings_unreadable_addresses_total"), "0")
		for range 3 {
			r.do(t, "GET", "/v1/poll?topic=post:1", header("X-Forwarded-For", "unknown"))
		}
		streamtest.Want(t, "unreadable addresses", r.metric(t, "tidings_unreadable_addresses_total"), "3")
		streamtest.Want(t, "warnings", strings.Count(r.logs.String(), "X-Forwarded-For of a trusted proxy cannot be read"), 1)
	})

	t.Run("OfNewStreams", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{
			Starts: limit.Rate{PerSecond: never, Burst: 1}, AddressStarts: limit.Rate{PerSecond: never, Burst: 2},
		}))
		r.follow(t, "topic=post:1").event("stream.ready")
		r.do(t, "GET", "/v1/events?topic=post:1").isProblem(t, 503, "unavailable")
		streamtest.Want(t, "refusals", r.refused(t, limit.Starts), 1)
		streamtest.Want(t, "poll", r.do(t, "GET", "/v1/poll?topic=post:1").status, 200)
		streamtest.Eventually(t, "the refused took no slot", func() bool { return r.limits.Taken() == 1 })
	})

	t.Run("OfNewStreamsOfAnAddressLeavesThoseOfOthers", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{
			Starts: limit.Rate{PerSecond: never, Burst: 6}, AddressStarts: limit.Rate{PerSecond: never, Burst: 3},
			TrustedProxies: []string{"127.0.0.1"},
		}))
		attacker := header("X-Forwarded-For", "203.0.113.1")
		for range 3 {
			r.follow(t, "topic=post:1", attacker).event("stream.ready")
		}
		for range 10 {
			r.do(t, "GET", "/v1/events?topic=post:1", attacker).isProblem(t, 429, "rate_limited")
		}
		streamtest.Want(t, "refusals", r.refused(t, limit.AddressStarts), 10)
		for range 3 {
			r.follow(t, "topic=post:1", header("X-Forwarded-For", "203.0.113.2")).event("stream.ready")
		}
	})

	// Pipelined requests are the cheapest way to use up a budget.
	t.Run("TakesNothingForHEAD", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{
			Starts: limit.Rate{PerSecond: never, Burst: 4}, AddressStarts: limit.Rate{PerSecond: never, Burst: 4},
			AddressReplays: limit.Rate{PerSecond: never, Burst: 1}, PerAddress: 4,
		}))
		for range 4 {
			w := r.dial(t)
			for range 25 {
				w.ask("HEAD /v1/events?topic=post:1&cursor=earliest HTTP/1.1")
				w.ask("HEAD /v1/poll?topic=post:1&cursor=earliest HTTP/1.1")
			}
			for range 50 {
				status, _ := w.head()
				streamtest.Want(t, "status line of HEAD", status, "HTTP/1.1 200 OK")
			}
		}
		r.follow(t, "topic=post:1&cursor=earliest").event("stream.ready")
		for range 3 {
			r.follow(t, "topic=post:1").event("stream.ready")
		}
	})

	t.Run("OfReplaysDoesNotCountCursorsNearTheHead", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{PerAddress: 1000, AddressReplays: limit.Rate{PerSecond: never, Burst: 2}}))
		cursor := r.head(t)
		for range 2 {
			r.follow(t, "topic=post:1&cursor=earliest").event("stream.ready")
		}
		r.wantRefusal(t, limit.Replays, 429, "rate_limited", "topic=post:1&cursor=earliest")
		for range 3 {
			r.follow(t, "topic=post:1&cursor="+cursor).event("stream.ready")
			r.follow(t, "topic=post:1").event("stream.ready")
		}
	})

	t.Run("OfReplaysHoldsForAUserToo", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{UserReplays: limit.Rate{PerSecond: never, Burst: 1}}))
		r.follow(t, "topic=me&cursor=earliest", as(t, "ann")).event("stream.ready")
		r.wantRefusal(t, limit.Replays, 429, "rate_limited", "topic=me&cursor=earliest", as(t, "ann"))
		r.follow(t, "topic=me&cursor=earliest", as(t, "bob")).event("stream.ready")
	})

	t.Run("OfRatesCanBeLifted", func(t *testing.T) {
		t.Parallel()
		once := limit.Rate{PerSecond: never, Burst: 1}
		r := newRig(t, limited(Limits{Typing: once, UserReplays: once, NoRates: true}))
		for range 5 {
			streamtest.Want(t, "typing", r.do(t, "POST", "/v1/posts/1/typing", as(t, "ann")).status, 204)
		}
		for range 5 {
			streamtest.Want(t, "poll", r.do(t, "GET", "/v1/poll?wait=0&topic=me&cursor=earliest", as(t, "ann")).status, 200)
		}
	})

	t.Run("OfTypingIsCounted", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limited(Limits{Typing: limit.Rate{PerSecond: never, Burst: 1}}))
		streamtest.Want(t, "typing", r.do(t, "POST", "/v1/posts/1/typing", as(t, "ann")).status, 204)
		r.do(t, "POST", "/v1/posts/1/typing", as(t, "ann")).isProblem(t, 429, "rate_limited")
		streamtest.Want(t, "refusals", r.refused(t, limit.Typing), 1)
	})

	t.Run("OfADrainingServer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.Drain()
		r.wantRefusal(t, limit.Draining, 503, "unavailable", "topic=post:1")
	})
}

// A native EventSource does not reconnect after a status other than 200, so a temporary
// refusal has status 200 for it.
func TestSoftRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(Limits{Streams: 1}))
	r.follow(t, "topic=post:1").event("stream.ready")

	t.Run("TellsAnEventSourceWhenToComeBack", func(t *testing.T) {
		res, err := r.client.Do(r.request(t, "GET", "/v1/events?topic=post:1", native))
		streamtest.Must(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		streamtest.Must(t, err)
		streamtest.Want(t, "status", res.StatusCode, http.StatusOK)
		streamtest.Want(t, "Content-Type", res.Header.Get("Content-Type"), "text/event-stream")
		found := regexp.MustCompile(`^retry: (\d+)\n\n$`).FindSubmatch(body)
		if found == nil {
			t.Fatalf("body is %q", body)
		}
		if retry, err := strconv.Atoi(string(found[1])); err != nil || retry < 15_000 || retry > 45_000 {
			t.Errorf("retry is %s", found[1])
		}
	})
	t.Run("IsNotForOtherClients", func(t *testing.T) {
		r.do(t, "GET", "/v1/events?topic=post:1", native, as(t, "ann")).isProblem(t, 503, "unavailable")
		r.do(t, "GET", "/v1/poll?topic=post:1", native).isProblem(t, 503, "unavailable")
	})
	t.Run("IsNotForErrorsThatLast", func(t *testing.T) {
		r.do(t, "GET", "/v1/events?topic=nonsense", native).isProblem(t, 400, "invalid_topic")
	})
}

// scrape returns the value of each time series of /metrics, by its name and labels.
func (r *rig) scrape(t testing.TB) map[string]float64 {
	t.Helper()
	a := r.do(t, "GET", "/metrics")
	streamtest.Want(t, "status", a.status, 200)
	values := make(map[string]float64)
	for _, family := range parseMetrics(t, strings.NewReader(a.body)) {
		for _, m := range family.Metric {
			labels := make([]string, len(m.Label))
			for i, l := range m.Label {
				labels[i] = fmt.Sprintf("%s=%s", l.GetName(), l.GetValue())
			}
			key := family.GetName()
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}
