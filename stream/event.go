package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrData is wrapped by errors about event data that is not JSON.
var ErrData = errors.New("invalid event data")

// An Event is one event of a topic.
type Event struct {
	Cursor    Cursor // position in the log; the zero Cursor marks an ephemeral event
	Topic     Topic  // zero in events of the log that are for hubs alone
	Name      Name
	Data      Data
	Comment   int64     // id of the comment that a durable event is about; 0: none
	Committed time.Time // time of the commit by the database's clock; zero if unknown
}

// Ephemeral reports whether the event is a current state that is not in the log.
func (e Event) Ephemeral() bool { return e.Cursor == Cursor{} }

// A Name is the kind of an event: the SSE field event. It comes only from [ParseName] or
// from the constants of this package.
type Name struct{ text string }

// ParseName reads 1–64 of a–z, 0–9, "." and "-". Its error wraps [ErrName].
func ParseName(s string) (Name, error) {
	if s == "" || len(s) > maxNameBytes {
		return Name{}, fmt.Errorf("%w: want 1 to %d bytes", ErrName, maxNameBytes)
	}
	if !only(s, func(c byte) bool { return lowerOrDigit(c) || c == '.' || c == '-' }) {
		return Name{}, fmt.Errorf("%w: want only a-z 0-9 . -", ErrName)
	}
	return Name{s}, nil
}

// String is the name's text.
func (n Name) String() string { return n.text }

// MarshalText writes the name's text, so that JSON holds it as a string.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.text), nil }

// Data is one JSON value on one line. Only [NewData] and [MustData] make it. It contains no
// character that a parser of event streams takes for a line end, and no space between
// tokens.
type Data struct{ json []byte }

// NewData compacts a JSON text (RFC 8259) to one line. It escapes the characters that some
// parsers of event streams take for a line end (U+0085, U+2028, U+2029), and replaces
// invalid UTF-8 by U+FFFD. Its error wraps [ErrData].
func NewData(text []byte) (Data, error) {
	var compact bytes.Buffer
	compact.Grow(len(text))
	if err := json.Compact(&compact, text); err != nil {
		return Data{}, fmt.Errorf("%w: %w", ErrData, err)
	}
	b := compact.Bytes()
	for _, r := range lineEnds {
		b = bytes.ReplaceAll(b, r.char, r.escape)
	}
	return Data{bytes.ToValidUTF8(b, []byte(`\ufffd`))}, nil
}

var lineEnds = []struct{ char, escape []byte }{
	{[]byte("\u0085"), []byte(`\u0085`)},
	{[]byte("\u2028"), []byte(`\u2028`)},
	{[]byte("\u2029"), []byte(`\u2029`)},
}

// MustData encodes a value as JSON. It is for values that always encode, such as
// structs of strings and numbers, and panics for others.
func MustData(v any) Data {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode event data: %v", err))
	}
	data, err := NewData(text)
	if err != nil {
		panic(fmt.Sprintf("compact event data: %v", err))
	}
	return data
}

// MarshalJSON returns the value unchanged.
func (d Data) MarshalJSON() ([]byte, error) {
	if d.json == nil {
		return []byte("null"), nil
	}
	return d.json, nil
}

// Len is the length of the JSON text in bytes.
func (d Data) Len() int { return len(d.json) }

// String is the JSON text.
func (d Data) String() string { return string(d.json) }
