package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Zoë 👩‍💻 日本 עברית \"q\" \\": "Zoë 👩‍💻 日本 עברית \"q\" \\",
		"a\x1b[2Jb":        `a\u001b[2Jb`,
		"a\u009b2Jb\u0085": `a\u009b2Jb\u0085`,
		"a\x9b2J":          `a\ufffd2J`,
		"\u202eabc\u202c \u2066x\u2069\u200e\u200f\u061c": `\u202eabc\u202c \u2066x\u2069\u200e\u200f\u061c`,
		"a\r\nb\tc\x00\x7f":            `a\u000d\u000ab\u0009c\u0000\u007f`,
		"\u2028\u2029\ufeff\U000e0041": `\u2028\u2029\ufeff\udb40\udc41`,
	} {
		streamtest.Want(t, "the text", Text(in), want)
	}
	for r := rune(0); r < 0x2100; r++ {
		if text := Text(string(r)); unicode.IsControl(r) && text == string(r) {
			t.Errorf("%U is printed as %q", r, text)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a": "a", "\na\n\x1bb\r\nc\n": `a; \u001bb; c`, "a\rb": `a\u000db`} {
		streamtest.Want(t, "the line", Line(in), want)
	}
}

// JSON with unsafe characters in its strings keeps its value.
func TestText_KeepsTheValueOfJSON(t *testing.T) {
	t.Parallel()
	const value = "a\u009b\u202e\U000e0041\u007f é"
	var got string
	streamtest.Must(t, json.Unmarshal([]byte(Text(`"`+value+`"`)), &got))
	streamtest.Want(t, "the value", got, value)
}

// However a text is divided into writes, the output is the same.
func TestWriter(t *testing.T) {
	t.Parallel()
	const text = "é\u009b👩‍💻\x1b\n\tb\xff\u202e."
	const want = "é\\u009b👩‍💻\\u001b\n\tb\\ufffd\\u202e."
	for size := 1; size <= len(text); size++ {
		var out strings.Builder
		w := Writer(&out)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			written, err := w.Write([]byte(rest[:n]))
			streamtest.Must(t, err)
			streamtest.Want(t, "bytes written", written, n)
			rest = rest[n:]
		}
		streamtest.Want(t, "the output", out.String(), want)
	}
}
