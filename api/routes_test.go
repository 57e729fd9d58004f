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

// routesServed returns the method and path of every route. HEAD is left out, because every GET has it.
func routesServed(t *testing.T) (served []string) {
	t.Helper()
	s, err := New(unconnected(t))
	streamtest.Must(t, err)
	for _, route := range s.echo.Routes() {
		if route.Method != http.MethodHead {
			served = append(served, route.Method+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(route.Path, "{$1}"))
		}
	}
	slices.Sort(served)
	return served
}

// The table of calls in the README has every route of the server, and no others.
func TestREADMEListsEveryRoute(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	streamtest.Must(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:GET|POST|PUT|PATCH|DELETE)[^`]+)`").FindAllStringSubmatch(string(readme), -1) {
		for _, path := range regexp.MustCompile(`/[^ ?]+`).FindAllString(row[1], -1) {
			for _, method := range regexp.MustCompile(`\b[A-Z]{3,}\b`).FindAllString(row[1], -1) {
				documented = append(documented, method+" "+path)
			}
		}
	}
	slices.Sort(documented)
	streamtest.Want(t, "the calls in the README", documented, routesServed(t))
}

// docs/api.md has a section for every route, and no others. A test of cmd/tidings runs its examples.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/api.md")
	streamtest.Must(t, err)
	var documented []string
	for _, heading := range regexp.MustCompile("(?m)^### `(.+)`$").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, heading[1])
	}
	slices.Sort(documented)
	streamtest.Want(t, "the calls in docs/api.md", documented, routesServed(t))
}

// A preflight names the methods that some route of the API has, and no others.
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
	rec := newRecorder()
	s.ServeHTTP(rec, &http.Request{Method: "OPTIONS", URL: &url.URL{Path: "/v1/counts"}, Header: http.Header{"Origin": {page}}})
	streamtest.Want(t, "Access-Control-Allow-Methods", rec.Header().Get("Access-Control-Allow-Methods"), strings.Join(slices.Compact(methods), ", "))
}
