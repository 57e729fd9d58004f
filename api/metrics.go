package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidings-live/tidings/api/internal/limit"
)

// metrics are what an operator watches, in a registry of their own: several servers
// in one process don't share it. No label has a value that clients choose.
type metrics struct {
	registry *prometheus.Registry
	refusals *prometheus.CounterVec
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	routes   map[string]bool // patterns, set before the first request
	serve    echo.HandlerFunc
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		routes:   make(map[string]bool),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidings_refusals_total",
			Help: "Requests that a limit turned away, by the limit.",
		}, []string{"reason"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidings_http_requests_total",
			Help: "Requests answered, by route, method and class of status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidings_http_request_duration_seconds",
			Help:    "Time until a request was answered. Streams and polls are left out: they wait.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	for _, why := range limit.Refusals { // from 0, so that the first one shows as a rise
		m.refusals.WithLabelValues(string(why))
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.refusals, m.requests, m.duration,
	)
	m.serve = echo.WrapHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return m
}

func (m *metrics) refused(why limit.Refusal) { m.refusals.WithLabelValues(string(why)).Inc() }

// laterKey is where the context of a request notes that it is answered later.
const laterKey = "answered later"

// countLater leaves the counting of a request to whoever answers it after the handler has
// returned, by [metrics.answered].
func countLater(c echo.Context) { c.Set(laterKey, true) }

// observe counts a request when its handler has returned. An unknown path or method has
// one name for all, or clients would make labels up.
func (m *metrics) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		err := next(c)
		if c.Get(laterKey) != nil {
			return err
		}
		status := c.Response().Status
		if err != nil && !c.Response().Committed {
			status = problemOf(err).Status
		}
		left := errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil
		route, method := c.Path(), c.Request().Method
		if !m.routes[route] || status == http.StatusMethodNotAllowed {
			route, method = "other", "other"
		}
		m.answered(route, method, status, left)
		if route != eventsPath && route != pollPath {
			m.duration.WithLabelValues(route).Observe(time.Since(began).Seconds())
		}
		return err
	}
}

// answered counts an answer. left is for a client that left before its answer, which is
// no fault of the server.
func (m *metrics) answered(route, method string, status int, left bool) {
	class := strconv.Itoa(status/100) + "xx"
	if left {
		class = "left"
	}
	m.requests.WithLabelValues(route, method, class).Inc()
}
