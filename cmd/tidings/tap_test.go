package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A tap reads the events of its topics one by one, over either transport. It belongs to
// one goroutine.
type tap struct {
	name    string
	exact   bool                         // the transport may not conflate events
	take    func() (client.Event, error) // waits for the next event
	cursors []string                     // all cursors that it got, in order
	seen    []client.Event               // all durable events that it got, without theEnd
	stream  *client.Stream               // of an SSE tap
}

// A transport opens a tap. All reads of a tap must be done within patience.
type transport func(t *testing.T, c *client.Client, cursor string, topics ...string) *tap

var transports = map[string]transport{"SSE": sse, "Poll": poll}

// sse opens one stream. It does not reconnect.
func sse(t *testing.T, c *client.Client, cursor string, topics ...string) *tap {
	t.Helper()
	return listen(t, c, cursor, topics)
}

// listen is sse with options.
func listen(t *testing.T, c *client.Client, cursor string, topics []string, opts ...client.StreamOption) *tap {
	t.Helper()
	x, err := tryListen(t, c, cursor, topics, opts...)
	streamtest.Must(t, err)
	return x
}

// tryListen is listen for a stream that the server may refuse.
func tryListen(t *testing.T, c *client.Client, cursor string, topics []string, opts ...client.StreamOption) (*tap, error) {
	t.Helper()
	s, err := c.Stream(patient(t), topics, cursor, opts...)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { s.Close() })
	x := &tap{name: "SSE from " + cursor, stream: s}
	x.take = func() (client.Event, error) {
		event, err := s.Next()
		if err != nil {
			return event, err
		}
		if event.Name == "stream.gap" {
			x.cursors = nil // the next cursor may be lower, in a new epoch
		}
		return event, x.addCursor(event.ID)
	}
	return x, nil
}

// returning is sse for a reader that returns, with its cursor, when the server could not read
// past events for so long that it ended the stream.
func returning(t *testing.T, c *client.Client, cursor string, topics ...string) *tap {
	t.Helper()
	x := sse(t, c, cursor, topics...)
	once := x.take
	x.take = func() (client.Event, error) {
		event, err := once()
		for err == nil && event.Name == "stream.bye" && strings.Contains(string(event.Data), "unavailable") {
			var next *tap
			if next, err = tryListen(t, c, x.stream.Cursor(), topics); err == nil {
				x.stream, once = next.stream, next.take
				event, err = once()
			}
		}
		return event, err
	}
	return x
}

// addCursor adds a cursor that the tap got. A cursor below the last one is an error.
func (x *tap) addCursor(cursor string) error {
	if cursor == "" {
		return nil
	}
	if n := len(x.cursors); n > 0 && before(cursor, x.cursors[n-1]) {
		return fmt.Errorf("the cursor went back from %s to %s", x.cursors[n-1], cursor)
	}
	x.cursors = append(x.cursors, cursor)
	return nil
}

// before reports whether cursor a is below cursor b. A malformed cursor counts as 0-0.
func before(a, b string) bool {
	var one, other struct{ epoch, position int64 }
	_, _ = fmt.Sscanf(a, "%d-%d", &one.epoch, &one.position)
	_, _ = fmt.Sscanf(b, "%d-%d", &other.epoch, &other.position)
	return one.epoch < other.epoch || one.epoch == other.epoch && one.position < other.position
}

// poll long-polls, with at most three events a page.
func poll(t *testing.T, c *client.Client, cursor string, topics ...string) *tap {
	t.Helper()
	ctx := patient(t)
	x := &tap{name: "poll from " + cursor, exact: true}
	var page client.Page
	ask := func() (err error) {
		if page, err = c.Poll(ctx, topics, cursor, 20*time.Second, 3); err == nil {
			cursor = page.Cursor
		}
		return err
	}
	if cursor == "" || cursor == "now" {
		streamtest.Must(t, ask()) // returns at once, with the cursor of now
		streamtest.Must(t, x.addCursor(cursor))
	}
	x.take = func() (client.Event, error) {
		for len(page.Events) == 0 {
			if err := ask(); err != nil {
				return client.Event{}, err
			}
		}
		event := page.Events[0]
		page.Events = page.Events[1:]
		if err := x.addCursor(event.ID); err != nil || len(page.Events) > 0 {
			return event, err
		}
		return event, x.addCursor(page.Cursor)
	}
	return x
}

// patient returns a context that ends with the test or after patience.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// tapsOn opens a tap on each transport of each server.
func tapsOn(t *testing.T, cursor string, topics []string, servers ...*server) (taps []*tap) {
	t.Helper()
	for n, srv := range servers {
		for name, open := range transports {
			x := open(t, srv.Client, cursor, topics...)
			x.name = fmt.Sprintf("%s at instance %d", name, n+1)
			taps = append(taps, x)
		}
	}
	return taps
}

// next waits for the next event.
func (x *tap) next() (client.Event, error) {
	event, err := x.take()
	if err == nil && event.ID != "" && event.Name != theEnd && !strings.HasPrefix(event.Name, "stream.") {
		x.seen = append(x.seen, event)
	}
	return event, err
}

// await reads up to the first event for which is returns true, and returns that event.
func (x *tap) await(t *testing.T, what string, is func(client.Event) bool) client.Event {
	t.Helper()
	for {
		event, err := x.next()
		if err != nil {
			t.Fatalf("%s, waiting for %s: %v", x.name, what, err)
		}
		if is(event) {
			return event
		}
	}
}

// named matches events with the name.
func named(name string) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == name }
}

// saying matches new comments with the body.
func saying(body string) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == "new-comment" && bodyOf(e) == body }
}

// bodyOf is the body of a comment, and empty for other events.
func bodyOf(e client.Event) string {
	var c client.Comment
	_ = json.Unmarshal(e.Data, &c) // other events may have other data
	return c.Body
}

// bodies returns the bodies of the new comments among the events.
func bodies(events []client.Event) (found []string) {
	for _, e := range events {
		if e.Name == "new-comment" {
			found = append(found, bodyOf(e))
		}
	}
	return found
}

// rest returns the durable events up to theEnd, without theEnd.
func (x *tap) rest(t *testing.T) []client.Event {
	t.Helper()
	events, err := x.upTo(theEnd)
	if err != nil {
		t.Fatalf("%s: %v", x.name, err)
	}
	return events
}

var errGap = errors.New("got a gap although every event is in the log")

// upTo returns the durable events before the next event with the name, without theEnd.
func (x *tap) upTo(name string) ([]client.Event, error) {
	from := len(x.seen)
	for {
		before := len(x.seen)
		event, err := x.next()
		switch {
		case err != nil:
			return nil, err
		case event.Name == "stream.gap":
			return nil, fmt.Errorf("%w: %s", errGap, event.Data)
		case event.Name == name:
			return x.seen[from:before:before], nil
		}
	}
}

// wants reads up to theEnd and compares the events with the log.
func (x *tap) wants(t *testing.T, log []client.Event) []client.Event {
	t.Helper()
	got := x.rest(t)
	if err := compare(got, log, x.exact); err != nil {
		t.Errorf("%s: %v", x.name, err)
	}
	return got
}

// compare returns an error unless got has each event of the log once, in order and byte
// for byte. If exact is false, an event with a count may be missing if a later event
// with the same topic, name and target is there.
func compare(got, log []client.Event, exact bool) error {
	superseding := make(map[string]bool) // targets of the events that come later in got
	n := len(got)
	for i := len(log) - 1; i >= 0; i-- {
		e := log[i]
		switch key := target(e); {
		case n > 0 && got[n-1].ID == e.ID:
			if got[n-1].Name != e.Name || got[n-1].Topic != e.Topic || !sameData(got[n-1], e) {
				return fmt.Errorf("got %s, the log has %s", text(got[n-1]), text(e))
			}
			superseding[key] = true
			n--
		case exact || key == "" || !superseding[key]:
			return fmt.Errorf("%s is missing, or out of order, in\n%s", text(e), texts(got))
		}
	}
	if n > 0 {
		return fmt.Errorf("%s is repeated, or out of order, or not in the log, in\n%s", text(got[n-1]), texts(got))
	}
	return nil
}

// sameData reports whether a reader got the data of an event as the log has it, or as the log
// had it before the comment was edited or removed.
func sameData(got, log client.Event) bool {
	if bytes.Equal(got.Data, compact(log.Data)) {
		return true
	}
	var was, is map[string]any
	if json.Unmarshal(got.Data, &was) != nil || json.Unmarshal(log.Data, &is) != nil || is["version"] == nil {
		return false
	}
	if is["status"] != "deleted" && was["version"].(float64) >= is["version"].(float64) {
		return false
	}
	for _, member := range []string{"author", "body", "html", "status", "editedAt", "version"} {
		delete(was, member)
		delete(is, member)
	}
	return reflect.DeepEqual(was, is)
}

// target identifies what an event counts. It is empty for events without a count.
func target(e client.Event) string {
	if e.Name != "comment-count" && e.Name != "like-update" {
		return ""
	}
	var data struct {
		CommentID string `json:"commentId"`
	}
	_ = json.Unmarshal(e.Data, &data) // without a comment id, the event counts the post
	return e.Topic + " " + e.Name + " " + data.CommentID
}

// compact returns JSON without spaces, as it is sent to readers.
func compact(data []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return data
	}
	return b.Bytes()
}

func text(e client.Event) string {
	return fmt.Sprintf("%s %s %s %s", e.ID, e.Topic, e.Name, e.Data)
}

func texts(events []client.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString("  " + text(e) + "\n")
	}
	return b.String()
}

// after returns the events of the log above a cursor.
func after(t *testing.T, log []client.Event, cursor string) []client.Event {
	t.Helper()
	from := position(t, cursor)
	return slices.DeleteFunc(slices.Clone(log), func(e client.Event) bool { return position(t, e.ID) <= from })
}

// position returns the position of a cursor of epoch 1.
func position(t *testing.T, cursor string) (p int64) {
	t.Helper()
	if _, err := fmt.Sscanf(cursor, "1-%d", &p); err != nil {
		t.Fatalf("cursor %q: %v", cursor, err)
	}
	return p
}

// wantEnd checks that the stream ends without an error and has told the reader to
// reconnect after 1 to 5 s.
func wantEnd(t *testing.T, x *tap) {
	t.Helper()
	if event, err := x.next(); err != io.EOF {
		t.Errorf("%s does not end: %s %v", x.name, text(event), err)
	}
	if retry := x.stream.Retry(); retry < time.Second || retry > 5*time.Second {
		t.Errorf("%s: retry is %v", x.name, retry)
	}
}
