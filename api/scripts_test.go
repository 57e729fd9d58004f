package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/web"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// encoding sets Accept-Encoding.
func encoding(value string) edit { return header("Accept-Encoding", value) }

func unpack(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(packed))
	streamtest.Must(t, err)
	text, err := io.ReadAll(r)
	streamtest.Must(t, err)
	return string(text)
}

// Pages of all sites load each script, at its plain and its versioned address.
func TestScripts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, s := range web.Scripts() {
		for path, cache := range map[string]string{"/" + s.Name: "no-cache", "/" + versioned(s): "public, max-age=31536000, immutable"} {
			if (s.Name == "bell.js" || s.Name == "data.js" || strings.Contains(s.Name, "/")) && cache != "no-cache" { // loaded by others only
				continue
			}
			plain := r.do(t, "GET", path, origin("https://any.example"), site("cross-site"))
			streamtest.Want(t, "status of "+path, plain.status, http.StatusOK)
			streamtest.Want(t, "body is right", plain.body == string(s.Body), true)
			packed := r.do(t, "GET", path, encoding("br, gzip;q=0.5"), cookie("rubbish"), header("Authorization", "Bearer x"))
			streamtest.Want(t, "Content-Encoding", packed.header.Get("Content-Encoding"), "gzip")
			streamtest.Want(t, "packed body is right", unpack(t, packed.body) == string(s.Body), true)
			for _, got := range []answer{plain, packed} {
				for name, want := range map[string]string{
					"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": cache, "Vary": "Accept-Encoding",
					"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Cross-Origin-Resource-Policy": "cross-origin",
					"X-Content-Type-Options": "nosniff", "X-Frame-Options": "",
				} {
					streamtest.Want(t, name+" of "+path, got.header.Get(name), want)
				}
				tag := got.header.Get("ETag")
				if !strings.HasPrefix(tag, `"`) {
					t.Errorf("the ETag %s is not strong", tag)
				}
			}
			if plain.header.Get("ETag") == packed.header.Get("ETag") {
				t.Error("two forms of a script have one strong ETag")
			}
			for _, again := range []string{packed.header.Get("ETag"), "W/" + packed.header.Get("ETag"), `"x", ` + packed.header.Get("ETag")} {
				same := r.do(t, "GET", path, encoding("gzip"), header("If-None-Match", again))
				streamtest.Want(t, "status with "+again, same.status, http.StatusNotModified)
				streamtest.Want(t, "Access-Control-Allow-Origin of 304", same.header.Get("Access-Control-Allow-Origin"), "*")
				streamtest.Want(t, "Vary of 304", same.header.Get("Vary"), "Accept-Encoding")
				streamtest.Want(t, "Content-Encoding of 304", same.header.Get("Content-Encoding"), "")
			}
			head := r.do(t, "HEAD", path, encoding("gzip"))
			streamtest.Want(t, "Content-Length of HEAD", head.header.Get("Content-Length"), packed.header.Get("Content-Length"))
			streamtest.Want(t, "body of HEAD", head.body, "")
			r.do(t, "POST", path).isProblem(t, http.StatusMethodNotAllowed, "method_not_allowed")
		}
	}
}

// The address of another version leads to the script of this one, and is not kept.
func TestScripts_OfOtherVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{"/tidings-0123456789abcdef.js", "/tidings-x"} {
		got := r.do(t, "GET", path)
		streamtest.Want(t, "status", got.status, http.StatusFound)
		streamtest.Want(t, "address", resolve(t, path, got), "/tidings.js")
		streamtest.Want(t, "Cache-Control", got.header.Get("Cache-Control"), "no-cache")
		streamtest.Want(t, "Access-Control-Allow-Origin", got.header.Get("Access-Control-Allow-Origin"), "*")
	}
	for _, path := range []string{"/lang/xx.js", "/lang/..%2Ftidings.js", "/nothing.js", "/nothing-0123456789abcdef.js"} {
		r.do(t, "GET", path).isProblem(t, http.StatusNotFound, "not_found")
	}
}

func TestTakesGzip(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br,gzip": true, "gzip;q=0": false, "gzip; q=0.001": true, "gzip;q=0.000": false,
		"identity": false, "x-gzip": false, "*": false, "gzip;q=x": false, "deflate, gzip;q=1.0, *;q=0.5": true,
	} {
		if got := takesGzip(http.Header{"Accept-Encoding": {value}}); got != want {
			t.Errorf("%q takes gzip: %v", value, got)
		}
	}
}

// The integrity of a tag is the hash of what its address answers.
func TestScriptTag(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tag, ok := ScriptTagOf("tidings.js")
	streamtest.Want(t, "there is a tag", ok, true)
	got := r.do(t, "GET", "/"+tag.Path)
	sum := sha512.Sum384([]byte(got.body))
	streamtest.Want(t, "integrity", tag.Integrity, "sha384-"+base64.StdEncoding.EncodeToString(sum[:]))
	_, ok = ScriptTagOf("nothing.js")
	streamtest.Want(t, "there is a tag of nothing", ok, false)
	if !bytes.Contains([]byte(got.body), []byte("import.meta.url")) {
		t.Error("the script does not find the server by its own address")
	}
}
