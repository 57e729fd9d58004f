package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/stream"
)

// A Build describes the running program.
type Build struct {
	Version   string // of the release, for example v0.1.0
	Revision  string // the commit
	GoVersion string
}

// Sources are the functions that a scrape calls for its figures. All are required. They
// must not block for long: Prometheus waits for them.
type Sources struct {
	Build    Build
	Slots    func() int
	Hub      func() stream.Stats
	Group    func() group.Stats
	Pool     func() store.PoolStats
	Listener func() store.ListenerStats
	Queue    func() (float64, error)
	Skipped  func() int64            // events of the log
	Rows     func() int64            // rows that lists have left out
	Faults   func() map[string]int64 // failures of background work, by its name
}

// Handler answers GET /metrics. It has a registry of its own, so that several servers in
// one process do not share one.
func Handler(sources Sources, requests *Requests) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(sources),
		requests.refusals, requests.unreadable, requests.answers, requests.duration,
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// A collector turns the rows of the table into metrics. It is a [prometheus.Collector].
type collector struct {
	sources Sources
	descs   []*prometheus.Desc // of the rows
	latency *prometheus.Desc
}

func newCollector(sources Sources) *collector {
	c := &collector{sources: sources, latency: prometheus.NewDesc("tidings_delivery_latency_seconds",
		"Time from the commit of an event, by the database's clock, to its write to a stream.", nil, nil)}
	for _, r := range table {
		c.descs = append(c.descs, prometheus.NewDesc("tidings_"+r.name, r.help, r.labels, nil))
	}
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		descs <- d
	}
	descs <- c.latency
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	s := c.sources.snapshot()
	for i, r := range table {
		r.read(s, func(value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(c.descs[i], r.kind, value, labels...)
		})
	}
	metrics <- c.histogram(s.hub.Latency)
}

func (s Sources) snapshot() *snapshot {
	queue, err := s.Queue()
	return &snapshot{
		build: s.Build, slots: s.Slots(), hub: s.Hub(), group: s.Group(), pool: s.Pool(), listener: s.Listener(),
		queue: queue, queueErr: err, skipped: s.Skipped(), rows: s.Rows(), faults: s.Faults(),
	}
}

// histogram converts counts by bucket to the cumulative counts of Prometheus.
func (c *collector) histogram(l stream.Latency) prometheus.Metric {
	buckets := make(map[float64]uint64, len(stream.LatencyBounds))
	count := uint64(0)
	for i, bound := range stream.LatencyBounds {
		count += uint64(l.Counts[i])
		buckets[bound.Seconds()] = count
	}
	count += uint64(l.Counts[len(stream.LatencyBounds)])
	return prometheus.MustNewConstHistogram(c.latency, count, l.Sum.Seconds(), buckets)
}
