package store

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// riskyBytes is the size from which JSON is risky. A number in shorter JSON has fewer
// digits than Postgres's numeric can hold (16,383 after the point).
const riskyBytes = 15_000

// storable reports whether Postgres can store a text: it is UTF-8 without U+0000.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// riskyJSON reports whether Postgres may refuse a text as jsonb: the text is not well-formed,
// or has the escape of U+0000, half a surrogate pair, or a number that may be too large. It
// may report true for a text that Postgres accepts, but never false for a text that Postgres
// refuses.
func riskyJSON(text string) bool {
	if len(text) > riskyBytes || !storable(text) || !json.Valid([]byte(text)) {
		return true
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			size, risky := riskyString(text[i+1:])
			if risky {
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

// riskyString checks a string of valid JSON. text begins after the first quote of the
// string. size is the number of bytes up to the last quote, which is included.
func riskyString(text string) (size int, risky bool) {
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

// isHigh reports whether a text begins with the escape of the first half of a surrogate
// pair (RFC 8259 section 7).
func isHigh(text string) bool { return isHalf(text, "89ABab") }

// isLow reports whether a text begins with the escape of the second half of a surrogate pair.
func isLow(text string) bool { return isHalf(text, "CDEFcdef") }

func isHalf(text, third string) bool {
	return len(text) >= 6 && (text[:3] == `\ud` || text[:3] == `\uD`) && strings.IndexByte(third, text[3]) >= 0
}

// digits counts the digits of an exponent, without its sign.
func digits(text string) int {
	text = strings.TrimLeft(text, "+-")
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}
