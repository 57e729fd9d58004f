package main

import (
	"os"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Threads and inboxes do what testdata/browser/thread.js says, with a client that answers as the
// case wants, in a real browser.
func TestBrowser_ThreadsFollowEvents(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/browser/thread.js")
	streamtest.Must(t, err)
	p := openPage(t, newSite(t).start(t), `<script type="module">`+string(script)+`</script>`)
	p.await("the cases", `window.run`)
	for name, fault := range eval[map[string]string](p, `run()`) {
		if fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
	}
}
