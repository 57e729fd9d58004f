package web_test

import (
	"io/fs"
	"regexp"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/api/web"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// published is the event that one of the page's lines for the terminal publishes.
const published = "order.updated"

// The page listens to every event that Tidings sends. An EventSource drops events with
// a name it does not listen to, so a missing name would go unnoticed.
func TestPageListensToEveryEvent(t *testing.T) {
	t.Parallel()
	want := append(names(func(stream.EventKind) bool { return true }), published)
	streamtest.Want(t, "NAMES in demo-feed.js", quoted(t, "demo-feed.js", `(?s)const NAMES = \[(.*?)\];`), want)
}

// The panes handle every event that is not about the stream itself.
func TestPaneHandlesEveryEvent(t *testing.T) {
	t.Parallel()
	want := names(func(k stream.EventKind) bool { return !k.Control })
	streamtest.Want(t, "the cases of #apply in demo-pane.js", quoted(t, "demo-pane.js", `(?s)#apply\(name, data\) \{(.*?)\n  \}`), want)
}

// The list of raw events shows no id for events that carry none.
func TestWireKnowsEventsWithoutID(t *testing.T) {
	t.Parallel()
	want := names(func(k stream.EventKind) bool { return !k.Durable && (!k.Control || k.Name == stream.PingName) })
	streamtest.Want(t, "WITHOUT_ID in demo-wire.js", quoted(t, "demo-wire.js", `const WITHOUT_ID = new Set\(\[(.*?)\]\);`), want)
}

// names returns the names of the event kinds that match.
func names(match func(stream.EventKind) bool) []string {
	var all []string
	for _, kind := range stream.EventKinds {
		if match(kind) {
			all = append(all, kind.Name.String())
		}
	}
	return all
}

var (
	comments = regexp.MustCompile(`(?m)//.*$`)
	literal  = regexp.MustCompile(`'([a-z]+[a-z.-]*)'`)
)

// quoted returns the string literals in the first group of the pattern.
func quoted(t *testing.T, file, pattern string) []string {
	t.Helper()
	source, err := fs.ReadFile(web.Demo(), file)
	streamtest.Must(t, err)
	part := regexp.MustCompile(pattern).FindSubmatch(source)
	if part == nil {
		t.Fatalf("%s has no match for %s", file, pattern)
	}
	var all []string
	for _, match := range literal.FindAllSubmatch(comments.ReplaceAll(part[1], nil), -1) {
		if name := string(match[1]); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
