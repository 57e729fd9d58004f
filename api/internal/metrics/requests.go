package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidings-live/tidings/api/internal/limit"
)

// Requests counts the answers of the API. It is safe for concurrent use.
type Requests struct {
	refusals   *prometheus.CounterVec
	unreadable prometheus.Counter
	answers    *prometheus.CounterVec
	duration   *prometheus.HistogramVec

	mu    sync.RWMutex // guards known
	known map[answer]prometheus.Counter
}

// An answer has the labels of a counter of answers.
type answer struct{ route, method, class string }

// NewRequests returns counters of which those for refusals begin at 0, so that the first
// refusal shows as a rise.
func NewRequests() *Requests {
	r := &Requests{
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidings_refusals_total",
			Help: "Streams, polls, other requests and connections that were refused because of a limit, by the limit.",
		}, []string{"reason"}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidings_unreadable_addresses_total",
			Help: "Times that X-Forwarded-For of a trusted proxy could not be read. The client then counts as the proxy.",
		}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidings_http_requests_total",
			Help: "Answered requests, by route, method and class of the status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidings_http_request_duration_seconds",
			Help:    "Time until a request was answered, without streams and polls.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		known: make(map[answer]prometheus.Counter),
	}
	for _, why := range limit.Refusals {
		r.refusals.WithLabelValues(string(why))
	}
	return r
}

// Refused counts a refusal.
func (r *Requests) Refused(why limit.Refusal) { r.refusals.WithLabelValues(string(why)).Inc() }

// Unreadable counts a client address that a trusted proxy told and that cannot be read.
func (r *Requests) Unreadable() { r.unreadable.Inc() }

// Answered counts an answer. left means that the client closed the connection before the
// answer, which is no fault of the server; the label status is then "left".
func (r *Requests) Answered(route, method string, status int, left bool) {
	class := "left"
	if !left {
		class = classes[max(0, min(status/100, len(classes)-1))]
	}
	r.counter(answer{route, method, class}).Inc()
}

// classes are the values of the label status, by the first digit of the status.
var classes = [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

// counter returns the counter of an answer. It is found faster than by its labels.
func (r *Requests) counter(a answer) prometheus.Counter {
	r.mu.RLock()
	c := r.known[a]
	r.mu.RUnlock()
	if c == nil {
		c = r.answers.WithLabelValues(a.route, a.method, a.class)
		r.mu.Lock()
		r.known[a] = c
		r.mu.Unlock()
	}
	return c
}

// Took records how long an answer took.
func (r *Requests) Took(route string, d time.Duration) {
	r.duration.WithLabelValues(route).Observe(d.Seconds())
}
