package main

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// docs/metrics.md has a row for every metric of the server, and no other rows.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t, func(i *instance) { i.MaxStreamsPerUser = 1 })
	// Counters with labels appear at their first use: a request, and a stream over the limit.
	ann := srv.as(t, "ann")
	open(t, ann, "now", "post:a")
	_, err := ann.Stream(patient(t), []string{"post:a"}, "now")
	wantProblem(t, err, http.StatusTooManyRequests, "rate_limited")
	srv.awaitStatus(t, "/healthz", http.StatusOK)

	text, err := io.ReadAll(srv.get(t, "/metrics", nil).Body)
	streamtest.Must(t, err)
	served := found(string(text), `(?m)^# TYPE (tidings_\S+) `)
	documented := found(readText(t, "../../docs/metrics.md"), "(?m)^\\| `(tidings_[a-z_]+)[`{]")
	slices.Sort(served)
	slices.Sort(documented)
	streamtest.Want(t, "the documented metrics", documented, served)
}
