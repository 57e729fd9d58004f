package web_test

import (
	"bytes"
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
	most := map[string]int{"tidings.js": 12 << 10}
	for _, script := range web.Scripts() {
		packed := packedSize(t, script)
		t.Logf("%s: %d bytes, %d with gzip", script.Name, len(script.Body), packed)
		if limit := most[script.Name]; limit > 0 && packed > limit {
			t.Errorf("%s has %d bytes with gzip, more than %d", script.Name, packed, limit)
		}
	}
}

// A page with <tidings-comments> in another language loads two files: what they have on top of the client.
func TestScripts_OfElementsAreSmall(t *testing.T) {
	t.Parallel()
	sizes := make(map[string]int)
	language := 0
	for _, script := range web.Scripts() {
		sizes[script.Name] = packedSize(t, script)
		if strings.HasPrefix(script.Name, "lang/") {
			language = max(language, sizes[script.Name])
		}
	}
	elements := sizes["comments.js"] - sizes["tidings.js"]
	if elements <= 0 || language == 0 || elements+language > 13<<10+64 {
		t.Errorf("the elements have %d bytes with gzip, and the largest language %d, want at most %d", elements, language, 13<<10+64)
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
