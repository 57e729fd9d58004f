package api

import (
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what an operator watches, in a registry of their own: several servers
// in one process don't share it. No label has a value that clients choose.
type metrics struct {
	registry *prometheus.Registry
	refusals *prometheus.CounterVec
	serve    echo.HandlerFunc
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidings_refusals_total",
			Help: "Requests that a limit turned away, by the limit.",
		}, []string{"reason"}),
	}
	for _, why := range refusals { // from 0, so that the first one shows as a rise
		m.refusals.WithLabelValues(string(why))
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.refusals,
	)
	m.serve = echo.WrapHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return m
}

func (m *metrics) refused(why refusal) { m.refusals.WithLabelValues(string(why)).Inc() }
