package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// parseMetrics reads Prometheus' text format, as Prometheus does.
func parseMetrics(t testing.TB, text io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	streamtest.Must(t, err)
	return families
}

// The figures of the hub follow what readers do.
func TestMetrics_OfDelivery(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	start := r.head(t)
	one, two := r.follow(t, "topic=room:1"), r.follow(t, "topic=room:1")
	one.event("stream.ready")
	two.event("stream.ready")
	waiting := r.later(t, "topic=room:2&cursor="+start)
	r.publish(t, "room:1", "tick", `1`)
	one.event("tick")
	two.event("tick")
	streamtest.Eventually(t, "the worker has told", func() bool { return r.scrape(t)["tidings_stream_deliveries_total"] == 2 })
	got := r.scrape(t)
	for series, value := range map[string]float64{
		"tidings_readers{transport=sse}":              2,
		"tidings_readers{transport=poll}":             1,
		"tidings_readers_behind":                      0,
		"tidings_log_events_total":                    1,
		"tidings_log_readable":                        1,
		"tidings_log_breaks_total":                    0,
		"tidings_delivery_latency_seconds":            2,
		"tidings_stream_unsent_bytes":                 0,
		"tidings_replay_hits_total":                   0, // the poll begins at the head
		"tidings_replay_misses_total":                 0,
		"tidings_streams_ended_total{reason=left}":    0,
		"tidings_streams_ended_total{reason=stalled}": 0,
	} {
		streamtest.Want(t, series, got[series], value)
	}
	for _, series := range []string{"tidings_log_lag_seconds", "tidings_log_head_position", "tidings_stream_writes_total", "tidings_stream_written_bytes_total"} {
		streamtest.Want(t, series+" is above nothing", got[series] > 0, true)
	}
	r.publish(t, "room:2", "tick", `1`)
	<-waiting
	one.leave()
	streamtest.Eventually(t, "it left", func() bool { return r.scrape(t)["tidings_streams_ended_total{reason=left}"] == 1 })

	streamtest.Want(t, "floor", r.scrape(t)["tidings_log_floor_position"], 0.0)
	r.exec(t, `delete from tidings.events where position = 1`)
	r.publish(t, "room:1", "tick", `1`)
	streamtest.Eventually(t, "the floor rises", func() bool { return r.scrape(t)["tidings_log_floor_position"] == 1 })
}

// A poll that waits is counted when it is answered, by the status of its answer. A client
// that leaves before is no error of the server.
func TestMetricsOfPollsThatWait(t *testing.T) {
	t.Parallel()
	inEveryWay(t, metricsOfPollsThatWait)
}

func metricsOfPollsThatWait(t *testing.T, way func(*setup)) {
	r := newRig(t, way)
	const series = "tidings_http_requests_total{method=GET,route=/v1/poll,status="
	waiting := r.later(t, "topic=room:1&cursor="+r.head(t))
	streamtest.Want(t, "answers while the poll waits", r.scrape(t)[series+"2xx}"], 0.0)
	r.publish(t, "room:1", "tick", `1`)
	<-waiting
	streamtest.Eventually(t, "the answer is counted", func() bool { return r.scrape(t)[series+"2xx}"] == 1 })

	w := r.dial(t)
	w.ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t) + " HTTP/1.1")
	r.waiting(t, 1)
	streamtest.Must(t, w.Close())
	streamtest.Eventually(t, "the client that left is counted", func() bool { return r.scrape(t)[series+"left}"] == 1 })
	got := r.scrape(t)
	streamtest.Want(t, "errors", got[series+"5xx}"], 0.0)
	streamtest.Want(t, "writes to streams", got["tidings_stream_writes_total"], 0.0)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) {
		s.store.GroupCommit = true
		s.api.Build = Build{Version: "v1.2.3", Revision: "4f2a9c1", GoVersion: "go1.26"}
	})
	before := r.scrape(t)
	streamtest.Want(t, "comment", r.do(t, "POST", "/v1/posts/secret-post/comments", as(t, "secret-ann"), sends(`{"body":"hi"}`)).status, 201)
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
		"tidings_group_commit_transactions_total": 1,
		"tidings_group_commit_writes_total":       1,
		"tidings_group_commit_apart_total":        0,
	} {
		streamtest.Want(t, series, after[series]-before[series], rise)
	}
	streamtest.Want(t, "listener", after["tidings_listener_connected"], 1.0)
	streamtest.Want(t, "build", after["tidings_build_info{goversion=go1.26,revision=4f2a9c1,version=v1.2.3}"], 1.0)
	for _, name := range []string{
		"tidings_pool_max_connections", "tidings_listener_last_proof_timestamp_seconds", "tidings_listener_round_trip_seconds",
		"tidings_listener_connects_total", "go_goroutines", "process_open_fds",
	} {
		streamtest.Want(t, name+" is above nothing", after[name] > 0, true)
	}
	_, there := after["tidings_notify_queue_usage_ratio"]
	streamtest.Want(t, "NOTIFY queue is there", there, true)
	for series := range after {
		if strings.Contains(series, "secret") || strings.Contains(series, "made-up") || strings.Contains(series, "BREW") {
			t.Errorf("a client chose a label: %s", series)
		}
	}
}

// All transports count what readers get in the same way.
func TestMetrics_OfAllTransports(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(*setup){
		"TakenOver":       func(*setup) {},
		"InGoroutines":    func(s *setup) { s.inGoroutines = true },
		"HTTP1OverTLS":    speaking(t, true, func(p *http.Protocols) { p.SetHTTP1(true) }),
		"HTTP2OverTLS":    speaking(t, true, func(p *http.Protocols) { p.SetHTTP2(true) }),
		"HTTP2WithoutTLS": speaking(t, false, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, way)
			counts := func(series string, n float64) {
				t.Helper()
				streamtest.Eventually(t, series+" is counted", func() bool { return r.scrape(t)[series] == n })
			}
			const polls, deliveries = "tidings_http_requests_total{method=GET,route=/v1/poll,status=", "tidings_stream_deliveries_total"

			begin := r.head(t)
			r.publish(t, "room:1", "tick", `1`)
			head := r.head(t)
			streamtest.Want(t, "status of a poll that is answered at once", r.do(t, "GET", "/v1/poll?topic=room:1&cursor="+begin).status, 200)
			counts(polls+"2xx}", 1)
			counts(deliveries, 1)

			waiting := r.later(t, "topic=room:1&cursor="+head)
			r.publish(t, "room:1", "tick", `2`)
			<-waiting
			counts(polls+"2xx}", 2)
			counts(deliveries, 2)

			waiting = r.later(t, "topic=room:1&cursor="+r.head(t))
			r.exec(t, `
				select tidings.new_epoch(); -- of a backup from before the cursor
				update tidings.epochs set started_after = 0 where epoch = (select max(epoch) from tidings.epochs);
				select tidings.publish('room:1', 'tick', '3')`)
			if got := <-waiting; got.status != http.StatusGone {
				t.Errorf("the poll of a restored database is answered with %d", got.status)
			}
			counts(polls+"4xx}", 1)
			streamtest.Want(t, "writes to streams", r.scrape(t)["tidings_stream_writes_total"], 0.0)
			before := r.scrape(t)[deliveries]

			streamtest.Want(t, "status of HEAD", r.do(t, "HEAD", "/v1/events?topic=room:1").status, 200)
			f := r.follow(t, "topic=room:1")
			f.event("stream.ready")
			r.publish(t, "room:1", "tick", `4`)
			f.event("tick")
			counts(deliveries, before+1)
			f.leave()
			counts("tidings_streams_ended_total{reason=left}", 1)
			ended := 0.0
			for series, n := range r.scrape(t) {
				if strings.HasPrefix(series, "tidings_streams_ended_total{") {
					ended += n
				}
			}
			streamtest.Want(t, "ended streams", ended, 1.0)
		})
	}
}
