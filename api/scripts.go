package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/web"
)

const (
	// scriptLasts is the header field of a script at its versioned address, whose content never
	// changes: a year (RFC 8246).
	scriptLasts = "public, max-age=31536000, immutable"
	// scriptType is the media type of scripts (RFC 9239).
	scriptType = "text/javascript; charset=utf-8"
)

// A script is a file that pages of any site load, in the two forms that it is sent in.
type script struct {
	web.Script
	packed []byte // with gzip
}

// scripts are the scripts by their names. They are compressed once for the process.
var scripts = sync.OnceValue(func() map[string]script {
	all := make(map[string]script)
	for _, s := range web.Scripts() {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err == nil {
			_, err = w.Write(s.Body)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil { // the level exists, and a buffer takes everything
			panic(err)
		}
		all[s.Name] = script{s, packed.Bytes()}
	}
	return all
})

// versioned returns the name of a script with its hash, such as tidings-0123456789abcdef.js. It
// is in the same folder, so the script finds the server and other scripts from both addresses.
func versioned(s web.Script) string {
	extension := path.Ext(s.Name)
	return strings.TrimSuffix(s.Name, extension) + "-" + s.Hash + extension
}

// A ScriptTag has what a page needs to load a script of this server and no other one.
type ScriptTag struct {
	Path      string // below the address of the server; its content never changes
	Integrity string // the attribute integrity (Subresource Integrity)
}

// ScriptTagOf returns the tag of a script, such as comments.js. ok says that there is one.
func ScriptTagOf(name string) (tag ScriptTag, ok bool) {
	s, ok := scripts()[name]
	sum := sha512.Sum384(s.Body)
	return ScriptTag{versioned(s.Script), "sha384-" + base64.StdEncoding.EncodeToString(sum[:])}, ok
}

// scriptHandlers answer with scripts. Pages of all sites may load them.
type scriptHandlers struct{}

// scriptRoutes are the routes of the scripts that pages of any site load.
func scriptRoutes() []route {
	h := scriptHandlers{}
	return []route{
		{"GET", "/tidings.js", h.plain("tidings.js")},
		{"GET", "/tidings-:hash", h.versioned("tidings.js")},
		{"GET", "/comments.js", h.plain("comments.js")},
		{"GET", "/comments-:hash", h.versioned("comments.js")},
		{"GET", "/bell.js", h.plain("bell.js")},
		{"GET", "/data.js", h.plain("data.js")},
		{"GET", "/lang/:name", h.inFolder("lang")},
	}
}

// plain returns the handler of GET /{name}, which is always the script of this version: a browser
// asks each time whether it has changed. Problem: not_found.
func (h scriptHandlers) plain(name string) echo.HandlerFunc {
	return func(c echo.Context) error { return h.send(c, name, "no-cache") }
}

// inFolder returns the handler of GET /{folder}/{name}, see plain.
func (h scriptHandlers) inFolder(folder string) echo.HandlerFunc {
	return func(c echo.Context) error { return h.send(c, folder+"/"+c.Param("name"), "no-cache") }
}

// versioned returns the handler of the versioned address of a script, which browsers keep without
// asking again. The address of another version leads to the plain one, so that a page that names
// it works after an upgrade, unless it also names the hash of the content.
func (h scriptHandlers) versioned(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		s, ok := scripts()[name]
		if !ok {
			return problemNotFound.with("")
		}
		if path.Base(c.Request().URL.Path) == versioned(s.Script) {
			return h.send(c, name, scriptLasts)
		}
		forAllSites(c)
		c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
		return c.Redirect(http.StatusFound, name)
	}
}

// forAllSites lets pages of all sites load the answer.
func forAllSites(c echo.Context) {
	header := c.Response().Header()
	header.Set(echo.HeaderAccessControlAllowOrigin, "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// send answers with a script, compressed if the client takes that, or with 304. Each form has a
// strong ETag (RFC 9110 section 8.8.3).
func (scriptHandlers) send(c echo.Context, name, cache string) error {
	s, ok := scripts()[name]
	if !ok {
		return problemNotFound.with("")
	}
	forAllSites(c)
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, cache)
	header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	body, tag := s.Body, `"`+s.Hash+`"`
	packed := takesGzip(c.Request().Header)
	if packed {
		body, tag = s.packed, `"`+s.Hash+`-gzip"`
	}
	header.Set("ETag", tag)
	if hasTag(c, "W/"+tag) { // a proxy that compresses makes the tag weak
		return c.NoContent(http.StatusNotModified)
	}
	if packed {
		header.Set(echo.HeaderContentEncoding, "gzip")
	}
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(http.StatusOK, scriptType, body)
}

// takesGzip reports whether Accept-Encoding has gzip with a weight above 0 (RFC 9110 section
// 12.5.3).
func takesGzip(header http.Header) bool {
	for item := range strings.SplitSeq(strings.Join(header.Values(echo.HeaderAcceptEncoding), ","), ",") {
		coding, parameters, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(parameters, " ", "")), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !ok || err == nil && q > 0
	}
	return false
}
