package store

import (
	"strings"
	"unicode"
)

// Visible reports whether a text has a character that can be seen. Space, control and
// format characters, fillers and variation selectors cannot be seen. A character that
// this version of Unicode does not know counts as visible, because it may be a new one.
// The trigger function comments_checked and the constraint users_name_length have the same rule.
func Visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !invisible(r) })
}

// brailleBlank is a braille pattern without dots. Unicode counts it as a symbol.
const brailleBlank = '\u2800'

func invisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) { // these format characters have a glyph
		return false
	}
	return r == brailleBlank || unicode.IsSpace(r) ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
