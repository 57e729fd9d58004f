package store

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/tidings-live/tidings/stream"
)

// plainBytes bounds what is looked through for what jsonb does not take: a number in it
// has no more digits than numeric can hold (16,383 behind the point), whatever its exponent.
const plainBytes = 15_000

// doubtful reports whether the database may refuse the write for what is in it. Such a
// write is made apart, so that it is the database that judges, and nobody else has to
// write again. What is not in doubt may be refused all the same, by a trigger of the site.
func (w *write) doubtful() bool {
	switch {
	case w.comment != nil:
		return !storable(w.comment.Body) || utf8.RuneCountInString(w.comment.Body) > MaxBodyRunes || !storable(w.user.Name)
	case w.event != nil:
		_, badTopic := stream.ParseTopic(w.event.topic)
		_, badName := stream.ParseName(w.event.name)
		return badTopic != nil || badName != nil || doubtfulJSON(w.event.data)
	}
	return !storable(w.user.Name)
}

// storable reports whether a text can be stored as such.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// doubtfulJSON reports whether jsonb may not take a value: what is not well-formed, the
// escape of U+0000, half a surrogate pair, a number out of all bounds.
func doubtfulJSON(text string) bool {
	if len(text) > plainBytes || !storable(text) || !json.Valid([]byte(text)) {
		return true
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			size, doubt := doubtfulString(text[i+1:])
			if doubt {
				return true
			}
			i += size
		case 'e', 'E':
			if digits(text[i+1:]) > 3 {
				return true
			}
		}
	}
	return false
}

// doubtfulString looks through a string of valid JSON behind its first quote. It tells
// how long it is, the last quote included.
func doubtfulString(text string) (size int, doubt bool) {
	for i := 0; ; i++ {
		switch {
		case text[i] == '"':
			return i + 1, false
		case text[i] != '\\':
		case text[i+1] != 'u':
			i++
		case text[i+2:i+6] == "0000", isLow(text[i:]):
			return 0, true
		case isHigh(text[i:]):
			if i += 6; !isLow(text[i:]) {
				return 0, true
			}
			i += 5
		default:
			i += 5
		}
	}
}

// isHigh and isLow report whether a text begins with the escape of the first and the
// second half of a surrogate pair (RFC 8259 section 7).
func isHigh(text string) bool { return isHalf(text, "89ABab") }
func isLow(text string) bool  { return isHalf(text, "CDEFcdef") }

func isHalf(text, third string) bool {
	return len(text) >= 6 && (text[:3] == `\ud` || text[:3] == `\uD`) && strings.IndexByte(third, text[3]) >= 0
}

// digits counts those of an exponent.
func digits(text string) int {
	text = strings.TrimLeft(text, "+-")
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}
