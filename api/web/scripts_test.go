package web_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/web"
	"github.com/tidings-live/tidings/api/web/internal/minify"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The files that are committed are those that go generate makes, no more and no fewer.
func TestScripts_AreGenerated(t *testing.T) {
	t.Parallel()
	want, err := minify.Build(".")
	streamtest.Must(t, err)
	for name, content := range want {
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is stale: go generate ./api/web (%v)", name, err)
		}
	}
	streamtest.Must(t, filepath.WalkDir("dist", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && want[filepath.ToSlash(path)] == nil {
			t.Errorf("%s has no source", path)
		}
		return err
	}))
}

// A script is what a page on a slow line waits for.
func TestScripts_AreSmall(t *testing.T) {
	t.Parallel()
	most := map[string]int{
		"tidings.js":  7500,  // all that a page loads that reads events
		"data.js":     5700,  // what calls, threads and inboxes need in addition
		"comments.js": 23200, // all that a page with <tidings-comments> loads
		"bell.js":     3400,
		"lang/":       1400, // what a language other than English needs in addition
	}
	for _, script := range web.Scripts() {
		folder, _, _ := strings.Cut(script.Name, "/")
		packed, limit := packedSize(t, script), cmp.Or(most[script.Name], most[folder+"/"])
		t.Logf("%s: %d bytes, %d with gzip", script.Name, len(script.Body), packed)
		if packed > limit {
			t.Errorf("%s has %d bytes with gzip, more than %d", script.Name, packed, limit)
		}
	}
}

// packedSize returns the size of a script with gzip.
func packedSize(t *testing.T, script web.Script) int {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	streamtest.Must(t, err)
	_, err = w.Write(script.Body)
	streamtest.Must(t, err)
	streamtest.Must(t, w.Close())
	return packed.Len()
}

// Nothing in a script is loaded from another server, and nothing needs a weaker policy than
// script-src and connect-src of the server.
func TestScripts_NeedNoOtherServer(t *testing.T) {
	t.Parallel()
	for _, script := range web.Scripts() {
		// The name of the SVG namespace is no address.
		body := strings.ReplaceAll(string(script.Body), "http://www.w3.org/2000/svg", "")
		for _, part := range []string{"http://", "https://", "eval(", "new Function", "document.cookie"} {
			if strings.Contains(body, part) {
				t.Errorf("%s contains %s", script.Name, part)
			}
		}
	}
}
