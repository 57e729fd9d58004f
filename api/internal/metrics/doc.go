// Package metrics is what GET /metrics shows, in the text format of Prometheus.
//
// There are two kinds of metrics. The rows of the table in table.go read a figure that
// another package counts, at the moment of a scrape. The counters of [Requests] count
// what package api does.
//
// To add a metric, add a row to the table and to docs/metrics.md (a test compares them).
// No label may have a value that clients choose, because each value is a time series that
// stays in memory.
package metrics
