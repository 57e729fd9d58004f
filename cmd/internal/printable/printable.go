// Package printable makes text of strangers safe to print on a terminal. Control characters
// can move the cursor, change the title or hide what follows, and bidirectional characters
// can make a line read differently from what it says (Unicode Technical Report 36).
package printable

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s with each unsafe character as \u and four hexadecimal digits, which JSON
// reads as the same character. Line feeds and tabs are unsafe, too. Bytes that are no UTF-8
// become \ufffd.
func Text(s string) string { return string(escape(nil, []byte(s), "")) }

// Line is Text for one line of a report: its line breaks become semicolons. A text of a stranger
// then cannot look like another line.
func Line(s string) string {
	return Text(strings.NewReplacer("\r\n", "; ", "\n", "; ").Replace(strings.TrimSpace(s)))
}

// Writer returns a writer that writes to w with unsafe characters as in [Text]. Line feeds
// and tabs stay. A character may be divided between two writes. The writer is safe for
// concurrent use.
func Writer(w io.Writer) io.Writer { return &writer{w: w} }

type writer struct {
	w io.Writer

	mu   sync.Mutex // guards rest, and keeps the order of writes
	rest []byte     // the beginning of a character, which the next write completes
}

// Write implements [io.Writer].
func (w *writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, b...)
	whole := len(text) - unfinished(text)
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.w.Write(escape(nil, text[:whole], "\n\t")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// unfinished returns how many bytes at the end of b are the beginning of a character.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// escape appends b to out, with unsafe characters escaped that are not in kept.
func escape(out, b []byte, kept string) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch high, low := utf16.EncodeRune(r); {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case !misleading(r) || contains(kept, r):
			out = append(out, b[:size]...)
		case high != unicode.ReplacementChar:
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[size:]
	}
	return out
}

func contains(kept string, r rune) bool {
	for _, k := range kept {
		if k == r {
			return true
		}
	}
	return false
}

// misleading reports whether a character controls a terminal (C0, DEL, C1), ends a line, changes
// the direction of text, or is an invisible tag.
func misleading(r rune) bool {
	switch {
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff':
		return true
	case r >= '\U000e0000' && r <= '\U000e007f': // tags
		return true
	}
	return false
}
