package stream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrCursor is wrapped by every error about the text of a cursor.
var ErrCursor = errors.New("invalid cursor")

// A Cursor is a position in the log. The reader that holds it has every event of its topics
// at or before the position. Its text is "<epoch>-<position>", for example 1-18342: ASCII,
// at most 39 bytes, and valid as the id of an event stream, in a URL and in a header.
type Cursor struct {
	Epoch    int64 // the history that the position belongs to, from 1
	Position int64 // position of the last event that the reader has; 0: none
}

// ParseCursor reads what [Cursor.String] writes, and nothing else: no signs, no
// leading zeros, no spaces. Its error wraps [ErrCursor].
func ParseCursor(s string) (Cursor, error) {
	epoch, position, ok := strings.Cut(s, "-")
	if !ok {
		return Cursor{}, fmt.Errorf("%w: want <epoch>-<position>, now or earliest", ErrCursor)
	}
	e, err := parseNumber(epoch)
	if err != nil || e == 0 {
		return Cursor{}, fmt.Errorf("%w: the epoch is not a number from 1", ErrCursor)
	}
	p, err := parseNumber(position)
	if err != nil {
		return Cursor{}, fmt.Errorf("%w: the position is not a number from 0", ErrCursor)
	}
	return Cursor{Epoch: e, Position: p}, nil
}

func parseNumber(s string) (int64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' || s[0] < '0' || s[0] > '9' {
		return 0, ErrCursor
	}
	return strconv.ParseInt(s, 10, 64)
}

// String is the cursor's text.
func (c Cursor) String() string {
	return string(c.Append(make([]byte, 0, 40)))
}

// Append appends the cursor's text.
func (c Cursor) Append(b []byte) []byte {
	b = strconv.AppendInt(b, c.Epoch, 10)
	b = append(b, '-')
	return strconv.AppendInt(b, c.Position, 10)
}

// MarshalText writes the cursor's text, so that JSON holds it as a string.
func (c Cursor) MarshalText() ([]byte, error) { return c.Append(nil), nil }
