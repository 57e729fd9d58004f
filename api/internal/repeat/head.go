package repeat

import (
	"bytes"

	"github.com/tidings-live/tidings/stream"
)

// mostCuts bounds the values of one head that are left out of its key.
const mostCuts = 8

// A Head is the head of a request for a poll that starts at a cursor.
type Head struct {
	Cursor stream.Cursor

	bytes []byte // the whole request
	cuts  [mostCuts]span
	n     int // number of cuts, which are in order
}

// A span is a part of the bytes of a head.
type span struct{ from, to int }

// Scan reads a request. It reports false for all but this form (RFC 9112), in which net/http
// reads exactly one request without a body:
//
//   - the request line is "GET /v1/poll?<query> HTTP/1.1", in visible ASCII;
//   - each line ends in CRLF, and the empty line ends the bytes;
//   - a field line is a name, a colon and a value without control characters;
//   - no field is about a body, another protocol or the end of the connection;
//   - there is either one parameter cursor=<epoch>-<position> or one field Last-Event-ID with
//     such a value, and no parameter ticket.
//
// The head refers to the bytes.
func Scan(request []byte) (h Head, ok bool) {
	h.bytes = request
	end := bytes.Index(request, crlf)
	if end < 0 || !h.requestLine(request[:end]) {
		return Head{}, false
	}
	for at := end + len(crlf); ; {
		size := bytes.Index(request[at:], crlf)
		if size <= 0 {
			return h, size == 0 && at+len(crlf) == len(request) && h.Cursor != (stream.Cursor{})
		}
		if !h.field(at, request[at:at+size]) {
			return Head{}, false
		}
		at += size + len(crlf)
	}
}

var (
	crlf    = []byte("\r\n")
	method  = []byte("GET /v1/poll?")
	version = []byte(" HTTP/1.1")
)

// requestLine reads the first line.
func (h *Head) requestLine(line []byte) bool {
	query, ok := bytes.CutPrefix(line, method)
	if !ok {
		return false
	}
	if query, ok = bytes.CutSuffix(query, version); !ok || !all(query, visible) {
		return false
	}
	at := len(method)
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		switch string(name) {
		case "ticket":
			return false
		case "cursor":
			from := at + len(pair) - len(value)
			if !h.start(span{from, at + len(pair)}) {
				return false
			}
		}
		at += len(pair) + 1
	}
	return true
}

// field reads a field line that begins at an index of the head.
func (h *Head) field(at int, line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !all(line[:colon], token) || !all(line[colon+1:], text) {
		return false
	}
	value := span{at + colon + 1, at + len(line)}
	for ; value.from < value.to && blank(h.bytes[value.from]); value.from++ {
	}
	for ; value.from < value.to && blank(h.bytes[value.to-1]); value.to-- {
	}
	switch name := line[:colon]; {
	case is(name, "Last-Event-ID"):
		return h.start(value)
	case is(name, "Connection"):
		return is(h.bytes[value.from:value.to], "keep-alive")
	case is(name, "X-Request-Id"), is(name, "Traceparent"), is(name, "Tracestate"):
		return all(h.bytes[value.from:value.to], printable) && h.cut(value)
	case is(name, "Content-Length"), is(name, "Transfer-Encoding"), is(name, "Trailer"), is(name, "Expect"),
		is(name, "Upgrade"), is(name, "HTTP2-Settings"), is(name, "Proxy-Connection"):
		return false
	}
	return true
}

// start reads the cursor.
func (h *Head) start(value span) bool {
	cursor, err := stream.ParseCursor(string(h.bytes[value.from:value.to]))
	if err != nil || h.Cursor != (stream.Cursor{}) {
		return false
	}
	h.Cursor = cursor
	return h.cut(value)
}

// cut leaves a value out of the key.
func (h *Head) cut(value span) bool {
	if h.n == mostCuts {
		return false
	}
	h.cuts[h.n] = value
	h.n++
	return true
}

// is reports whether a name is the given one, in any case.
func is(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

func all(b []byte, of func(byte) bool) bool {
	for _, c := range b {
		if !of(c) {
			return false
		}
	}
	return true
}

func visible(c byte) bool   { return c > ' ' && c < 0x7f }
func printable(c byte) bool { return c >= ' ' && c < 0x7f }
func blank(c byte) bool     { return c == ' ' || c == '\t' }

// text reports whether a value of a field may have the byte.
func text(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// token reports whether a name of a field may have the byte (RFC 9110 section 5.6.2).
func token(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}
