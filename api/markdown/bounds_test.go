package markdown

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// pieces are repeated in a text, each together with each other one. They open what never ends,
// end what never began, and are inside each other.
var pieces = []string{"*", "**a ", "*(", "a*", "~~a ", "[", "](", "[a](<", "`a``b", "- > ", "- a\n  ", "\x00"}

// mixed are texts of 1,600 characters of one piece or two.
func mixed(yield func(string) bool) {
	const half = 800 // characters
	long := func(piece string) string { return string([]rune(strings.Repeat(piece, half))[:half]) }
	for _, a := range pieces {
		for _, b := range pieces {
			if !yield(long(a) + long(b)) {
				return
			}
		}
		if !yield(strings.Repeat(a, 2*half/len([]rune(a)))) {
			return
		}
	}
}

// No text makes HTML that is nested too deep for a browser, or leaves something harmful.
func TestHTML_IsBoundedInDepth(t *testing.T) {
	t.Parallel()

	render := New(Options{CacheBytes: -1})
	for text := range mixed {
		rendered := render.HTML(text)
		if depth := depthOf(rendered); depth > maxNested {
			t.Errorf("%.20q… becomes HTML of depth %d", text, depth)
		}
		if err := harmless(rendered, false); err != nil {
			t.Errorf("%.20q…: %v", text, err)
		}
	}
	for _, text := range []string{strings.Repeat("*a **b ", 60) + strings.Repeat("**", 60), quotes(300)} {
		if depth := depthOf(render.HTML(text)); depth > maxNested {
			t.Errorf("%.20q… becomes HTML of depth %d", text, depth)
		}
	}
}

// quotes is a text with a quote for each line inside those before, with n lines.
func quotes(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.Repeat(">", i) + "a\n\n")
	}
	return text.String()
}

// depthOf is the number of elements inside each other.
func depthOf(text string) (most int) {
	depth := 0
	for tokens := html.NewTokenizer(strings.NewReader(text)); ; {
		switch tokens.Next() {
		case html.ErrorToken:
			return most
		case html.StartTagToken:
			name, _ := tokens.TagName()
			if !slices.Contains([]string{"br", "hr", "img"}, string(name)) {
				depth++
				most = max(most, depth)
			}
		case html.EndTagToken:
			depth--
		}
	}
}

// Some texts take time that is quadratic in their length, which is bounded: none of
// 1,500 characters takes 500 times the CPU of usual text of the same length. Other tests do not
// run at the same time, because the CPU time is that of the process.
func TestHTML_TakesBoundedTime(t *testing.T) {
	render := New(Options{CacheBytes: -1})
	cpu := func() time.Duration {
		var used syscall.Rusage
		streamtest.Must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	took := func(text string, times int) time.Duration {
		began := cpu()
		for range times {
			render.HTML(text)
		}
		return (cpu() - began) / time.Duration(times)
	}
	usual := took(strings.Repeat("Some *words* of text, and [a link](http://a.example).\n", 28), 20)
	for _, text := range []string{
		strings.Repeat("[a](", 190) + strings.Repeat("😀", 750), strings.Repeat("*[", 375) + strings.Repeat("](", 375),
		strings.Repeat("[", 750) + strings.Repeat("]", 750), strings.Repeat("*a **b ", 215), strings.Repeat("<", 1500), strings.Repeat("`a``b", 300),
	} {
		if took := took(text, 1); took > 500*usual {
			t.Errorf("%.20q… takes %v, usual text %v", text, took, usual)
		}
	}
}
