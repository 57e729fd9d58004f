package auth

import (
	"strings"
	"unicode"

	"github.com/tidings-live/tidings/store"
)

// maxNameRunes is the length limit of a name, in characters.
const maxNameRunes = 200

// displayName returns the name without control characters, line separators and
// bidirectional overrides, cut to 200 characters. It keeps every visible character, and
// the invisible ones that a visible one consists of: joiners, variation selectors and the
// tags of flags. It returns "" if no visible character remains.
func displayName(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || bidiOverride(r) {
			return -1
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > maxNameRunes {
		name = string(runes[:maxNameRunes])
	}
	if !store.Visible(name) {
		return ""
	}
	return name
}

// bidiOverride reports whether r changes the direction of the text that follows it, also
// outside of the name: the embeddings, overrides and isolates of Unicode annex 9.
func bidiOverride(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
