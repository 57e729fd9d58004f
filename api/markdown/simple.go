package markdown

import (
	"html"
	"unicode"
)

// isSimple reports whether a text is one paragraph without Markdown and links: one line that begins
// with a letter, of letters, digits, single punctuation marks and spaces. A dot followed by a letter
// or digit may be a part of an address. Most comments are simple, and to render one with goldmark
// and bluemonday takes 11 µs, and this 0.2 µs.
func isSimple(text string) bool {
	var before rune
	for i, r := range text {
		switch {
		case unicode.IsLetter(r) && r != unicode.ReplacementChar:
			if before == '.' {
				return false
			}
		case i == 0:
			return false
		case r >= '0' && r <= '9':
			if before == '.' {
				return false
			}
		case r == ' ', r == ',', r == '.', r == ';', r == '!', r == '?', r == '\'', r == '-':
		default:
			return false
		}
		before = r
	}
	return text != ""
}

// simple returns the HTML of a text that isSimple.
func simple(text string) string { return "<p>" + html.EscapeString(text) + "</p>" }
