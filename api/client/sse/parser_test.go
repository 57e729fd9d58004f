package sse

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

const defaultMax = 16 << 20

// event is an [Event] with values that outlive the parser's next call.
type event struct {
	id, name, topic, data string
	retry                 time.Duration
}

// outcome is everything that a stream of bytes can do to a parser.
type outcome struct {
	events []event
	lastID string
	retry  time.Duration
	err    error
}

func parse(r io.Reader, max int) outcome {
	in := NewReader(r, max)
	var got outcome
	for {
		ev, err := in.Next()
		if err != nil {
			id, _ := in.LastID()
			got.lastID, got.retry, got.err = string(id), in.Retry(), err
			return got
		}
		got.events = append(got.events, event{string(ev.ID), string(ev.Name), string(ev.Topic), string(ev.Data), ev.Retry})
	}
}

// splitAt reads s in two pieces.
func splitAt(s string, i int) io.Reader {
	return io.MultiReader(strings.NewReader(s[:i]), strings.NewReader(s[i:]))
}

func message(data string) event { return event{data: data} }

func named(id, name, topic, data string) event {
	return event{id: id, name: name, topic: topic, data: data}
}

var parserTests = []struct {
	name   string
	in     string
	events []event
	lastID string
	retry  time.Duration
	err    error // io.EOF when nil
}{
	// The examples of the standard.
	{name: "ThreeLinesAreOneEvent", in: "data: YHOO\ndata: +2\ndata: 10\n\n",
		events: []event{message("YHOO\n+2\n10")}},
	{name: "ExampleWithIDs",
		in: ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
		events: []event{named("1", "", "", "first event"),
			message("second event"), message(" third event")}},
	{name: "EmptyDataIsAnEvent", in: "data\n\ndata\ndata\n\ndata:",
		events: []event{message(""), message("\n")}, err: io.ErrUnexpectedEOF},
	{name: "OneSpaceIsDropped", in: "data:test\n\ndata: test\n\n",
		events: []event{message("test"), message("test")}},
	{name: "NamedEvents", in: "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
		events: []event{named("", "add", "", "73857293"), named("", "remove", "", "2153")}},

	// Line ends, the byte order mark, comments.
	{name: "CR", in: "id: 1\rdata: a\rdata: b\r\r", events: []event{named("1", "", "", "a\nb")}, lastID: "1"},
	{name: "CRLF", in: "id: 1\r\ndata: a\r\ndata: b\r\n\r\n", events: []event{named("1", "", "", "a\nb")}, lastID: "1"},
	{name: "MixedLineEnds", in: "data: a\rdata: b\r\ndata: c\n\r\ndata: d\n\r", events: []event{message("a\nb\nc"), message("d")}},
	{name: "LFCRIsTwoEnds", in: "data: a\n\rdata: b\n\n", events: []event{message("a"), message("b")}},
	{name: "MarkIsDropped", in: "\xef\xbb\xbfdata: a\n\n", events: []event{message("a")}},
	{name: "SecondMarkIsNot", in: "\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", events: []event{message("b")}},
	{name: "LaterMarkIsNot", in: "\n\xef\xbb\xbfdata: a\n\n"},
	{name: "HalfAMark", in: "\xef\xbbdata: a\n\ndata: b\n\n", events: []event{message("b")}},
	{name: "CommentsWithoutBlankLines", in: ":\n:\ndata: a\n:\ndata: b\n:x\n\n:\n", events: []event{message("a\nb")}},

	// Fields.
	{name: "Topic", in: "event: typing\ntopic: post:42\ndata: {}\n\ndata: {}\n\n",
		events: []event{named("", "typing", "post:42", "{}"), message("{}")}},
	{name: "ValueKeepsItsColons", in: "topic:post:a:b\ndata:: c\n\n", events: []event{named("", "", "post:a:b", ": c")}},
	{name: "UnknownFields", in: "Data: a\ndata : b\n data: c\nevents: d\nd\ndata: e\n\n", events: []event{message("e")}},
	{name: "LastNameCounts", in: "event: a\nevent: b\ndata\n\nevent: c\nevent\ndata\n\n",
		events: []event{named("", "b", "", ""), message("")}},
	{name: "NameDiesWithABlockWithoutData", in: "event: a\ntopic: post:1\n\ndata: b\n\n", events: []event{message("b")}},
	{name: "IDOfABlockWithoutDataIsKept", in: "data: a\nid: 1\n\nid: 2\n\n",
		events: []event{named("1", "", "", "a")}, lastID: "2"},
	{name: "IDBelongsToItsOwnEvent", in: "data: a\nid: 1\n\ndata: b\n\n",
		events: []event{named("1", "", "", "a"), message("b")}, lastID: "1"},
	{name: "IDWithNULIsIgnored", in: "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n",
		events: []event{named("1", "", "", "a"), message("b")}, lastID: "1"},
	{name: "EmptyIDResets", in: "id: 1\ndata: a\n\nid\ndata: b\n\n",
		events: []event{named("1", "", "", "a"), message("b")}},
	{name: "IDNeedsTheBlankLine", in: "id: 1\ndata: a\n\nid: 2\ndata: b\n",
		events: []event{named("1", "", "", "a")}, lastID: "1", err: io.ErrUnexpectedEOF},
	{name: "Retry", in: "retry: 3127\ndata: a\n\ndata: b\n\n",
		events: []event{{data: "a", retry: 3127 * time.Millisecond}, message("b")},
		retry:  3127 * time.Millisecond},
	{name: "RetryAlone", in: "retry: 20000\n\n", retry: 20 * time.Second},
	{name: "RetryIsDigitsOnly", in: "retry: 1\nretry: 300ms\nretry: -1\nretry:  2\nretry\nretry: 0x9\n\n", retry: time.Millisecond},
	{name: "RetryIsBounded", in: "retry: 99999999999999999999999999\n\n", retry: maxRetry * time.Millisecond},

	// The end.
	{name: "Nothing"},
	{name: "OnlyAMark", in: "\xef\xbb\xbf"},
	{name: "CutInALine", in: "data: a\n\ndata", events: []event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "CutInAComment", in: "data: a\n\n: pi", events: []event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "CutBeforeTheBlankLine", in: "data: a\n\ndata: b\n", events: []event{message("a")}, err: io.ErrUnexpectedEOF},
	{name: "EndAfterAHeartbeat", in: "data: a\n\n:\n", events: []event{message("a")}},
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
			expect(t, "whole", parse(strings.NewReader(tt.in), defaultMax), want)
			expect(t, "byte by byte", parse(iotest.OneByteReader(strings.NewReader(tt.in)), defaultMax), want)
			expect(t, "data with its error", parse(iotest.DataErrReader(strings.NewReader(tt.in)), defaultMax), want)
			for i := range tt.in {
				expect(t, fmt.Sprintf("split at %d", i), parse(splitAt(tt.in, i), defaultMax), want)
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
		if ev, err := NewReader(r, 100).Next(); err != nil || string(ev.Data) != "a" {
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
		{"LineOverIt", "data: 1\n\ndata: 123456789012345\n\n", 1, ErrTooLarge},
		{"LineWithoutEnd", strings.Repeat("x", limit+1), 0, ErrTooLarge},
		{"LinesTogether", strings.Repeat("data: 12345\n", 4) + "\n", 0, ErrTooLarge},
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
	p := NewReader(strings.NewReader("data: "+large+"\n\n"+strings.Repeat("data: y\n\n", readSize)), defaultMax)
	ev, err := p.Next()
	if err != nil || string(ev.Data) != large {
		t.Fatalf("got %d bytes, %v", len(ev.Data), err)
	}
	for err == nil {
		_, err = p.Next()
	}
	if err != io.EOF || cap(p.parser.data) > keepSize || cap(p.parser.lines.partial) > keepSize {
		t.Errorf("kept %d and %d bytes, %v", cap(p.parser.data), cap(p.parser.lines.partial), err)
	}
}

func TestParserErrorIsFinal(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, p := range map[string]*Reader{
		"Reader": NewReader(io.MultiReader(strings.NewReader("data: a"), iotest.ErrReader(broken)), 100),
		"Limit":  NewReader(strings.NewReader("data: aaaaaaa\n\ndata: b\n\n"), 10),
		"Idle":   NewReader(idleReader{}, 10),
	} {
		_, first := p.Next()
		_, second := p.Next()
		if first == nil || second == nil || first.Error() != second.Error() {
			t.Errorf("%s: got %v, then %v", name, first, second)
		}
	}
}

// idleReader neither reads nor fails.
type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }
