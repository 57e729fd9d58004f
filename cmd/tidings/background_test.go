package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Work that no request waits for fails, for each of its kinds: the operator finds one line
// in the log, and the counter of the kind.
func TestBackgroundFailures_AreLoggedAndCounted(t *testing.T) {
	t.Parallel()
	s, owner := ownedSite(t)
	logs := &syncBuffer{}
	start := func() *server {
		return s.start(t, func(i *instance) { i.logger = slog.New(slog.NewTextHandler(logs, nil)) })
	}
	srv := start()

	counted := func(srv *server, work string) bool {
		metrics, err := io.ReadAll(srv.get(t, "/metrics", nil).Body)
		streamtest.Must(t, err)
		line := `tidings_background_failures_total{work="` + work + `"} `
		if !strings.Contains(string(metrics), line) {
			t.Fatalf("there is no metric for %s", work)
		}
		return !strings.Contains(string(metrics), line+"0\n")
	}
	told := func(srv *server, work, line string) {
		t.Helper()
		streamtest.Eventually(t, "failures of "+work+" are counted", func() bool { return counted(srv, work) })
		streamtest.Eventually(t, "failures of "+work+" are logged", func() bool { return logs.count(`msg="`+line+`"`) > 0 })
	}

	// NOTIFY's queue.
	s.exec(t, `revoke execute on function pg_catalog.pg_notification_queue_usage() from public`)
	told(srv, "notify_queue", "size of the NOTIFY queue cannot be read")

	// The end of typing.
	ann := srv.as(t, "ann")
	typing := sse(t, srv.Client, "now", "post:a")
	streamtest.Must(t, ann.Typing(t.Context(), "a"))
	typing.await(t, "typing", named("typing"))
	s.exec(t, `revoke select on tidings.signal_key from `+owner)
	comment(t, ann, "a", "sent")
	told(srv, "typing", "the end of typing is not sent")

	// The listener, which reads the key of signals when it connects.
	s.exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tidings listen'`)
	told(srv, "listener", "listener lost")

	// Retention, which begins with the server.
	s.exec(t, `grant select on tidings.signal_key to `+owner)
	s.exec(t, `revoke update on tidings.floor from `+owner)
	told(start(), "retention", "not all old rows were deleted")
}
