package api

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// registered returns the routes under /v1/ as the README writes them, without HEAD.
func registered(s *Server) []string {
	var found []string
	for _, r := range s.echo.Routes() {
		if strings.HasPrefix(r.Path, apiPrefix) && r.Method != http.MethodHead {
			found = append(found, r.Method+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(r.Path, "{$1}"))
		}
	}
	slices.Sort(found)
	return found
}

// The README has a row for each route of the API, and no other rows.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	s, err := New(unconnected(t))
	streamtest.Must(t, err)
	text, err := os.ReadFile("../README.md")
	streamtest.Must(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z· ]+) (/v1/[^?`]+)").FindAllStringSubmatch(string(text), -1) {
		for method := range strings.SplitSeq(row[1], " · ") {
			documented = append(documented, method+" "+row[2])
		}
	}
	slices.Sort(documented)
	streamtest.Want(t, "the routes of README.md", documented, registered(s))
}

// A preflight names the methods that some route has, and no others.
func TestPreflightNamesTheMethodsOfTheRoutes(t *testing.T) {
	t.Parallel()
	cfg := unconnected(t)
	cfg.AllowedOrigins = []string{page}
	s, err := New(cfg)
	streamtest.Must(t, err)
	var methods []string
	for _, r := range s.echo.Routes() {
		if strings.HasPrefix(r.Path, apiPrefix) {
			methods = append(methods, r.Method)
		}
	}
	slices.Sort(methods)
	r := &http.Request{Method: "OPTIONS", URL: &url.URL{Path: "/v1/counts"}, Header: http.Header{"Origin": {page}}}
	rec := newRecorder()
	s.ServeHTTP(rec, r)
	streamtest.Want(t, "Access-Control-Allow-Methods", rec.Header().Get("Access-Control-Allow-Methods"), strings.Join(slices.Compact(methods), ", "))
}
