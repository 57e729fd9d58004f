package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidings-live/tidings/stream"
)

// deliveryMetrics are the figures of the hub, as Prometheus asks for them.
type deliveryMetrics struct{ hub *stream.Hub }

// A figure is one of them.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(s stream.Stats) float64
}

func counter(name, help string, of func(s stream.Stats) int64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, func(s stream.Stats) float64 { return float64(of(s)) }}
}

func gauge(name, help string, of func(s stream.Stats) int64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, func(s stream.Stats) float64 { return float64(of(s)) }}
}

var figures = []figure{
	counter("tidings_log_events_total", "Events read from the log.", func(s stream.Stats) int64 { return s.Events }),
	counter("tidings_log_breaks_total", "How often the log broke off, or a new epoch began.", func(s stream.Stats) int64 { return int64(s.Breaks) }),
	gauge("tidings_log_readable", "Whether the log could be read, the last time.", func(s stream.Stats) int64 { return int64(boolean(s.Readable)) }),
	{prometheus.NewDesc("tidings_log_lag_seconds", "From the commit of an event until it was read here, the last time.", nil, nil), prometheus.GaugeValue, func(s stream.Stats) float64 { return s.Lag.Seconds() }},
	gauge("tidings_log_head_position", "Position of the last event handed to readers; an instance that stays behind the others is late.", func(s stream.Stats) int64 { return s.Head.Position }),
	gauge("tidings_log_floor_position", "Positions at or before it are gone: readers whose cursor lies there get a gap.", func(s stream.Stats) int64 { return s.Floor }),
	counter("tidings_stream_deliveries_total", "Events written to streams, each once a reader.", func(s stream.Stats) int64 { return s.Delivered }),
	counter("tidings_stream_writes_total", "Writes to streams; one may have many events.", func(s stream.Stats) int64 { return s.Writes }),
	counter("tidings_stream_written_bytes_total", "Bytes of these writes.", func(s stream.Stats) int64 { return s.Bytes }),
	gauge("tidings_stream_unsent_bytes", "Bytes that sockets of slow readers have not taken yet.", func(s stream.Stats) int64 { return s.Unsent }),
	counter("tidings_stream_conflated_total", "Counts left out for a reader in favour of a later one.", func(s stream.Stats) int64 { return s.Conflated }),
	gauge("tidings_readers_behind", "Readers that hold a position and read on from memory or the log.", func(s stream.Stats) int64 { return s.Behind }),
	counter("tidings_replay_hits_total", "Reads of readers that were behind, answered from memory.", func(s stream.Stats) int64 { return s.RingReads }),
	counter("tidings_replay_misses_total", "Reads of readers that were behind, for which the log had to be read.", func(s stream.Stats) int64 { return s.LogReads }),
	counter("tidings_replay_log_reads_total", "Reads of the log for these; one is for many readers.", func(s stream.Stats) int64 { return s.Reads }),
}

var (
	readersDesc = prometheus.NewDesc("tidings_readers", "Readers at the moment: open streams, waiting polls.", []string{"transport"}, nil)
	endedDesc   = prometheus.NewDesc("tidings_streams_ended_total", "Streams that are over, by why: left, age, expired, shutdown, slow, stalled.", []string{"reason"}, nil)
	latencyDesc = prometheus.NewDesc("tidings_delivery_latency_seconds", "From the commit of an event, by the database's clock, to its write to a stream.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (d deliveryMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, f := range figures {
		descs <- f.desc
	}
	descs <- readersDesc
	descs <- endedDesc
	descs <- latencyDesc
}

// Collect implements [prometheus.Collector].
func (d deliveryMetrics) Collect(metrics chan<- prometheus.Metric) {
	stats := d.hub.Stats()
	for _, f := range figures {
		metrics <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(stats))
	}
	for _, transport := range []stream.Transport{stream.SSE, stream.Poll} {
		metrics <- prometheus.MustNewConstMetric(readersDesc, prometheus.GaugeValue, float64(stats.Readers[transport]), string(transport))
	}
	for _, end := range []stream.End{
		stream.EndLeft, stream.EndAge, stream.EndExpired, stream.EndShutdown, stream.EndSlow, stream.EndStalled,
	} {
		metrics <- prometheus.MustNewConstMetric(endedDesc, prometheus.CounterValue, float64(stats.Ended[stream.Ended{Transport: stream.SSE, End: end}]), string(end))
	}
	metrics <- latencyMetric(stats.Latency)
}

// latencyMetric makes a histogram, whose buckets each hold the ones before.
func latencyMetric(l stream.Latency) prometheus.Metric {
	buckets := make(map[float64]uint64, len(stream.LatencyBounds))
	count := uint64(0)
	for i, bound := range stream.LatencyBounds {
		count += uint64(l.Counts[i])
		buckets[bound.Seconds()] = count
	}
	count += uint64(l.Counts[len(stream.LatencyBounds)])
	return prometheus.MustNewConstHistogram(latencyDesc, count, l.Sum.Seconds(), buckets)
}
