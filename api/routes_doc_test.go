package api

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The table of calls in the README has every route of the server, and no others. HEAD is
// left out, because every GET has it.
func TestREADMEListsEveryRoute(t *testing.T) {
	t.Parallel()
	var served []string
	for _, route := range newRig(t).echo.Routes() {
		if route.Method != http.MethodHead {
			served = append(served, route.Method+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(route.Path, "{$1}"))
		}
	}
	readme, err := os.ReadFile("../README.md")
	streamtest.Must(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:GET|POST|PUT|DELETE)[^`]+)`").FindAllStringSubmatch(string(readme), -1) {
		for _, path := range regexp.MustCompile(`/[^ ?]+`).FindAllString(row[1], -1) {
			for _, method := range regexp.MustCompile(`\b[A-Z]{3,}\b`).FindAllString(row[1], -1) {
				documented = append(documented, method+" "+path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	streamtest.Want(t, "the calls in the README", documented, served)
}
