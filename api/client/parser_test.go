package client

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// outcome is all that a stream of bytes can do to a parser.
type outcome struct {
	events []Event
	lastID string
	retry  time.Duration
	err    error
}

func parse(r io.Reader, maxBlock int) outcome {
	p := newParser(r, maxBlock)
	var got outcome
	for {
		ev, err := p.next()
		if err != nil {
			got.lastID, got.retry, got.err = p.lastID, p.retry, err
			return got
		}
		got.events = append(got.events, ev)
	}
}

// splitAt reads s in two pieces.
func splitAt(s string, i int) io.Reader {
	return io.MultiReader(strings.NewReader(s[:i]), strings.NewReader(s[i:]))
}

func message(data string) Event { return Event{Name: "message", Data: []byte(data)} }

func named(id, name, topic, data string) Event {
	return Event{ID: id, Name: name, Topic: topic, Data: []byte(data)}
}

var parserTests = []struct {
	name   string
	in     string
	events []Event
	lastID string
	retry  time.Duration
	err    error // io.EOF when nil
}{
	// The examples of the standard.
	{name: "ThreeLinesAreOneEvent", in: "data: YHOO\ndata: +2\ndata: 10\n\n",
		events: []Event{message("YHOO\n+2\n10")}},
	{name: "ExampleWithIDs",
		in: ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
		events: []Event{named("1", "message", "", "first event"),
			message("second event"), message(" third event")}},
	{name: "EmptyDataIsAnEvent", in: "data\n\ndata\ndata\n\ndata:",
		events: []Event{message(""), message("\n")}, err: io.ErrUnexpectedEOF},
	{name: "OneSpaceIsDropped", in: "data:test\n\ndata: test\n\n",
		events: []Event{message("test"), message("test")}},
	{name: "NamedEvents", in: "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
		events: []Event{named("", "add", "", "73857293"), named("", "remove", "", "2153")}},

	// Line ends, the byte order mark, comments.
	{name: "CR", in: "id: 1\rdata: a\rdata: b\r\r", events: []Event{named("1", "message", "", "a\nb")}, lastID: "1"},
	{name: "CRLF", in: "id: 1\r\ndata: a\r\ndata: b\r\n\r\n", events: []Event{named("1", "message", "", "a\nb")}, lastID: "1"},
	{name: "MixedLineEnds", in: "data: a\rdata: b\r\ndata: c\n\r\ndata: d\n\r", events: []Event{message("a\nb\nc"), message("d")}},
	{name: "LFCRIsTwoEnds", in: "data: a\n\rdata: b\n\n", events: []Event{message("a"), message("b")}},
	{name: "MarkIsDropped", in: "\xef\xbb\xbfdata: a\n\n", events: []Event{message("a")}},
	{name: "SecondMarkIsNot", in: "\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", events: []Event{message("b")}},
	{name: "LaterMarkIsNot", in: "\n\xef\xbb\xbfdata: a\n\n"},
	{name: "HalfAMark", in: "\xef\xbbdata: a\n\ndata: b\n\n", events: []Event{message("b")}},
	{name: "CommentsWithoutBlankLines", in: ":\n:\ndata: a\n:\ndata: b\n:x\n\n:\n", events: []Event{message("a\nb")}},

	// Fields.
	{name: "Topic", in: "event: typing\ntopic: post:42\ndata: {}\n\ndata: {}\n\n",
		events: []Event{named("", "typing", "post:42", "{}"), message("{}")}},
	{name: "ValueKeepsItsColons", in: "topic:post:a:b\ndata:: c\n\n", events: []Event{named("", "message", "post:a:b", ": c")}},
	{name: "UnknownFields", in: "Data: a\ndata : b\n data: c\nevents: d\nd\ndata: e\n\n", events: []Event{message("e")}},
	{name: "LastNameCounts", in: "event: a\nevent: b\ndata\n\nevent: c\nevent\ndata\n\n",
		events: []Event{named("", "b", "", ""), message("")}},
	{name: "NameDiesWithABlockWithoutData", in: "event: a\ntopic: post:1\n\ndata: b\n\n", events: []Event{message("b")}},
	{name: "IDOfABlockWithoutDataIsKept", in: "data: a\nid: 1\n\nid: 2\n\n",
		events: []Event{named("1", "message", "", "a")}, lastID: "2"},
	{name: "IDBelongsToItsOwnEvent", in: "data: a\nid: 1\n\ndata: b\n\n",
		events: []Event{named("1", "message", "", "a"), message("b")}, lastID: "1"},
	{name: "IDWithNULIsIgnored", in: "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n",
		events: []Event{named("1", "message", "", "a"), message("b")}, lastID: "1"},
	{name: "EmptyIDResets", in: "id: 1\ndata: a\n\nid\ndata: b\n\n",
		events: []Event{named("1", "message", "", "a"), message("b")}},
	{name: "IDNeedsTheBlankLine", in: "id: 1\ndata: a\n\nid: 2\ndata: b\n",
		events: []Event{named("1", "message", "", "a")}, lastID: "1", err: io.ErrUnexpectedEOF},
	{name: "Retry", in: "retry: 3127\ndata: a\n\ndata: b\n\n",
		events: []Event{{Name: "message", Data: []byte("a"), Retry: 3127 * time.Millisecond}, message("b")},
		retry:  3127 * time.Millisecond},
	{name: "RetryAlone", in: "retry: 20000\n\n", retry: 20 * time.Second},
	{name: "RetryIsDigitsOnly", in: "retry: 1\nretry: 300ms\nretry: -1\nretry:  2\nretry\nretry: 0x9\n\n", retry: time.Millisecond},
	{name: "RetryIsBounded", in: "retry: 99999999999999999999999999\n\n", retry: maxRetry * time.Millisecond},

	// The end.
	{name: "Nothing"},
	{name: "OnlyAMark", in: "\xef\xbb\xbf"},
	{name: "CutInALine", in: "data: a\n\ndata", events: []Event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "CutInAComment", in: "data: a\n\n: pi", events: []Event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "CutBeforeTheBlankLine", in: "data: a\n\ndata: b\n", events: []Event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "EndAfterAHeartbeat", in: "data: a\n\n:\n", events: []Event{message("a")}},
}

func TestParser(t *testing.T) {
	t.Parallel()
	for _, tt := range parserTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := outcome{events: tt.events, lastID: tt.lastID, retry: tt.retry, err: tt.err}
			if want.err == nil {
				want.err = io.EOF
			}
			expect(t, "whole", parse(strings.NewReader(tt.in), DefaultMaxBlock), want)
			expect(t, "byte by byte", parse(iotest.OneByteReader(strings.NewReader(tt.in)), DefaultMaxBlock), want)
			expect(t, "data with its error", parse(iotest.DataErrReader(strings.NewReader(tt.in)), DefaultMaxBlock), want)
			for i := range tt.in {
				expect(t, fmt.Sprintf("split at %d", i), parse(splitAt(tt.in, i), DefaultMaxBlock), want)
			}
		})
	}
}

func expect(t *testing.T, how string, got, want outcome) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", how, got, want)
	}
}

func TestParserReturnsAnEventAtOnce(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r", "data: a\r\r"} {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, in) }() // and nothing after it
		if ev, err := newParser(r, 100).next(); err != nil || string(ev.Data) != "a" {
			t.Errorf("%q: got %+v, %v", in, ev, err)
		}
		_ = r.Close()
	}
}

func TestParserLimitsABlock(t *testing.T) {
	t.Parallel()
	const limit = 20
	tests := []struct {
		name, in string
		events   int
		err      error
	}{
		{"LineAtTheLimit", "data: 12345678901234\n\n", 1, io.EOF},
		{"LineOverIt", "data: 1\n\ndata: 123456789012345\n\n", 1, ErrBlockTooLarge},
		{"LineWithoutEnd", strings.Repeat("x", limit+1), 0, ErrBlockTooLarge},
		{"LinesTogether", strings.Repeat("data: 12345\n", 4) + "\n", 0, ErrBlockTooLarge},
		{"CommentsDoNotAddUp", strings.Repeat(":\n", 100) + "data: 1\n\n", 1, io.EOF},
		{"EventsDoNotAddUp", strings.Repeat("data: 1\n\n", 100), 100, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i := range tt.in {
				got := parse(splitAt(tt.in, i), limit)
				if len(got.events) != tt.events || !errors.Is(got.err, tt.err) {
					t.Fatalf("split at %d: got %d events, %v", i, len(got.events), got.err)
				}
			}
		})
	}
}

func TestParserGivesLargeBuffersBack(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	p := newParser(strings.NewReader("data: "+large+"\n\n"+strings.Repeat("data: y\n\n", readSize)), DefaultMaxBlock)
	ev, err := p.next()
	if err != nil || string(ev.Data) != large {
		t.Fatalf("got %d bytes, %v", len(ev.Data), err)
	}
	for err == nil {
		_, err = p.next()
	}
	if err != io.EOF || cap(p.data) > keepSize || cap(p.lines.buf) > keepSize {
		t.Errorf("kept %d and %d bytes, %v", cap(p.data), cap(p.lines.buf), err)
	}
}

func TestParserErrorIsFinal(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, p := range map[string]*parser{
		"Reader": newParser(io.MultiReader(strings.NewReader("data: a"), iotest.ErrReader(broken)), 100),
		"Limit":  newParser(strings.NewReader("data: aaaaaaa\n\ndata: b\n\n"), 10),
		"Idle":   newParser(idleReader{}, 10),
	} {
		_, first := p.next()
		_, second := p.next()
		if first == nil || second == nil || first.Error() != second.Error() {
			t.Errorf("%s: got %v, then %v", name, first, second)
		}
	}
}

// idleReader neither reads nor fails.
type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }
