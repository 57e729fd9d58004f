package api

import (
	"io"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parseMetrics reads Prometheus' text format, as Prometheus does.
func parseMetrics(t testing.TB, text io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	must(t, err)
	return families
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.scrape(t)
	want(t, "comment", r.do(t, "POST", "/v1/posts/secret-post/comments", as(t, "secret-ann"), sends(`{"body":"hi"}`)).status, 201)
	r.do(t, "GET", "/made-up/path")
	r.do(t, "GET", "/made-up%2Fpath")
	r.do(t, "BREW", "/v1/counts")
	r.follow(t, "topic=post:secret-post").event("stream.ready")
	after := r.scrape(t)
	for series, rise := range map[string]float64{
		"tidings_http_requests_total{method=POST,route=/v1/posts/:post/comments,status=2xx}": 1,
		"tidings_http_request_duration_seconds{route=/v1/posts/:post/comments}":              1,
		"tidings_http_requests_total{method=other,route=other,status=4xx}":                   3,
		"tidings_seats": 1,
	} {
		want(t, series, after[series]-before[series], rise)
	}
	want(t, "listener", after["tidings_listener_connected"], 1.0)
	for _, name := range []string{
		"tidings_pool_max_connections", "tidings_listener_last_proof_timestamp_seconds", "tidings_listener_round_trip_seconds",
		"tidings_listener_connects_total", "go_goroutines", "process_open_fds",
	} {
		want(t, name+" is above nothing", after[name] > 0, true)
	}
	_, there := after["tidings_notify_queue_usage_ratio"]
	want(t, "NOTIFY queue is there", there, true)
	for series := range after {
		if strings.Contains(series, "secret") || strings.Contains(series, "made-up") || strings.Contains(series, "BREW") {
			t.Errorf("a client chose a label: %s", series)
		}
	}
}
