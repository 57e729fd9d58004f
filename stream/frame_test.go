package stream

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func topic(tb testing.TB, s string) Topic {
	tb.Helper()
	parsed, err := ParseTopic(s)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

func data(tb testing.TB, s string) Data {
	tb.Helper()
	d, err := NewData([]byte(s))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// The bytes on the wire, one file for each frame.
func TestFramesAreGolden(t *testing.T) {
	t.Parallel()

	comment := NewFrame(Event{
		Cursor: Cursor{1, 43},
		Topic:  topic(t, "post:42"),
		Name:   Name{"new-comment"},
		Data:   data(t, `{"id": "17", "body": "a\nb\u2028c", "author": {"id": "ann"}}`),
	})
	typing := NewFrame(Event{
		Topic: topic(t, "post:42"),
		Name:  TypingName,
		Data:  data(t, `{"postId":"42","users":[],"count":0}`),
	})
	at := Cursor{1, 42}
	gap := &GapError{Reason: GapExpired, From: Cursor{1, 2}, Resumed: at}
	for name, got := range map[string][]byte{
		"new-comment":           comment.SSE(),
		"new-comment-enveloped": comment.appendEnveloped(nil),
		"typing":                typing.SSE(),
		"ready":                 Ready(at, 15*time.Second, 10*time.Minute, 2500*time.Millisecond, "ann"),
		"ready-anonymous":       Ready(at, 15*time.Second, 0, 2500*time.Millisecond, ""),
		"gap":                   Gap(gap),
		"checkpoint":            Checkpoint(at),
		"expiring":              Expiring(at, 30*time.Second),
		"bye":                   Bye(at, EndShutdown, 8471*time.Millisecond),
		"ping":                  Ping(),
		"heartbeat":             Heartbeat,
	} {
		path := filepath.Join("testdata", "frames", name+".golden")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, want)
		}
	}
}

// parseBlock parses one block as the HTML standard says, but strictly: each field may stand
// only once, and nothing may follow the blank line.
func parseBlock(tb testing.TB, block []byte) map[string]string {
	tb.Helper()
	body, ok := strings.CutSuffix(string(block), "\n\n")
	if !ok || strings.Contains(body, "\n\n") {
		tb.Fatalf("not one block: %q", block)
	}
	fields := make(map[string]string)
	for line := range strings.SplitSeq(body, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if _, twice := fields[name]; twice || !ok || strings.ContainsAny(line, "\r\u0085\u2028\u2029") {
			tb.Fatalf("bad line %q in %q", line, block)
		}
		fields[name] = value
	}
	return fields
}

func FuzzFrame(f *testing.F) {
	f.Add(`{"a":1}`, "post:42", "new-comment")
	f.Add("\"\\n\\nevent: stream.bye\\ndata: x\"", "post:42", "a")
	f.Add("\"\u2028\u0085\ufeff\xff\"", "user:a|b", "x.y")
	f.Fuzz(func(t *testing.T, text, topicText, nameText string) {
		d, err := NewData([]byte(text))
		if err != nil {
			return
		}
		tp, err := ParseTopic(topicText)
		if err != nil {
			return
		}
		name, err := ParseName(nameText)
		if err != nil {
			return
		}
		frame := NewFrame(Event{Cursor: Cursor{1, 2}, Topic: tp, Name: name, Data: d})

		fields := parseBlock(t, frame.SSE())
		if fields["event"] != nameText || fields["topic"] != topicText || fields["id"] != "1-2" || fields["data"] != d.String() {
			t.Fatalf("%q read back as %q", frame.SSE(), fields)
		}
		if !json.Valid([]byte(fields["data"])) {
			t.Fatalf("data is no JSON: %q", fields["data"])
		}
		var envelope struct {
			Topic string
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(parseBlock(t, frame.appendEnveloped(nil))["data"]), &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope.Topic != topicText || string(envelope.Data) != d.String() {
			t.Fatalf("envelope %q for %q", envelope, frame.SSE())
		}
	})
}
