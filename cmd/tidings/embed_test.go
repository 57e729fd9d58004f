package main

import (
	"crypto/sha512"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The lines name a script that the server answers with, also the one with a hash.
func TestEmbed_PrintsTheLinesOfAPage(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	const id = `/blog/?p=12&q="x"`
	plain := command(t, "embed", "--url", srv.url+"/", "--post", "/blog/?p=12&q=1")
	plain.wants(t, 0, "")
	streamtest.Want(t, "the lines", plain.out, `<script type="module" src="`+srv.url+`/comments.js"></script>
<tidings-comments post="/blog/?p=12&amp;q=1"><a href="`+srv.url+`/v1/posts/-/comments.html?post=%2Fblog%2F%3Fp%3D12%26q%3D1">Comments</a></tidings-comments>
`)
	pinned := command(t, "embed", "--url", srv.url, "--pinned")
	pinned.wants(t, 0, "")
	parts := regexp.MustCompile(`src="([^"]+)" integrity="sha384-([^"]+)" crossorigin></script>\n<tidings-comments></tidings-comments>\n$`).FindStringSubmatch(pinned.out)
	if parts == nil {
		t.Fatalf("the lines are %s", pinned.out)
	}
	answer := srv.get(t, strings.TrimPrefix(parts[1], srv.url), nil)
	body, err := io.ReadAll(answer.Body)
	streamtest.Must(t, err)
	sum := sha512.Sum384(body)
	streamtest.Want(t, "integrity", parts[2], base64.StdEncoding.EncodeToString(sum[:]))
	streamtest.Want(t, "the script lasts", strings.Contains(answer.Header.Get("Cache-Control"), "immutable"), true)

	command(t, "embed", "--url", "blog.example").wants(t, 1, "--url")
	command(t, "embed", "--url", srv.url, "--post", id).wants(t, 1, "--post")
}
