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

// An Event is something that happened in a topic.
type Event struct {
	Cursor Cursor // where in the log; the zero Cursor marks an ephemeral event
	Topic  Topic
	Name   Name
	Data   Data
	// Committed is when, by the database's clock; zero when that is unknown.
	Committed time.Time
}

// Ephemeral reports whether the event is a passing state that the log never knew.
func (e Event) Ephemeral() bool { return e.Cursor == Cursor{} }

// Data is one JSON value on one line. It comes from [NewData] alone, so it holds no
// line break that any parser knows of, and no space that JSON doesn't need.
type Data struct{ json []byte }

// NewData compacts a JSON text (RFC 8259) to one line. Characters that some parsers
// of event streams take for a line end (U+0085, U+2028, U+2029) are escaped. Its
// error wraps [ErrData].
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

// MarshalJSON returns the value as it stands.
func (d Data) MarshalJSON() ([]byte, error) {
	if d.json == nil {
		return []byte("null"), nil
	}
	return d.json, nil
}

// Len is the length in bytes.
func (d Data) Len() int { return len(d.json) }

// String is the JSON text.
func (d Data) String() string { return string(d.json) }
