package markdown

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// sameAsRendered checks that a text that is simple has the HTML that goldmark and bluemonday make.
func sameAsRendered(tb testing.TB, r *Renderer, text string) bool {
	tb.Helper()
	trimmed := strings.TrimRight(text, " ")
	if !isSimple(trimmed) {
		return false
	}
	if got, want := simple(trimmed), r.render(text); got != want {
		tb.Errorf("%q becomes %s, want %s", text, got, want)
	}
	return true
}

// A short text of all that is simple, and of much that is not, has the same HTML either way.
func TestSimple_IsAsRendered(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	pieces := []string{"a", "Ж", "é", "中", "ﬁ", "ª", "1", "0", " ", "  ", ".", ",", ";", "!", "?", "'", "-", "--",
		"www", "http", "mailto", "com", "e.g", "&", "<", "*", "_", "\n", ":", "@", "(", "\u00a0", "\u00ad", "\u200b", "\u0301", "\xff"}
	simples := 0
	for range 20_000 {
		var text strings.Builder
		for range 1 + rand.IntN(8) {
			text.WriteString(pieces[rand.IntN(len(pieces))])
		}
		if sameAsRendered(t, r, text.String()) {
			simples++
		}
	}
	if simples < 100 {
		t.Errorf("only %d of the texts were simple", simples)
	}
	for _, text := range []string{"I agree. Don't you?", "Thanks, it works - at last!", "Прекрасно, спасибо!", "a", "bench 1 2 "} {
		if !sameAsRendered(t, r, text) {
			t.Errorf("%q is not simple", text)
		}
	}
}

func FuzzSimple(f *testing.F) {
	f.Add("I agree. Don't you?")
	f.Add("www.a.example - 1. b")
	r := New(Options{CacheBytes: -1})
	f.Fuzz(func(t *testing.T, text string) { sameAsRendered(t, r, text) })
}

func BenchmarkHTML(b *testing.B) {
	r := New(Options{CacheBytes: -1})
	for name, text := range map[string]string{"Simple": "I agree, this is what we need.", "Emphasis": "I agree, this is what we *need*."} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = r.HTML(text)
			}
		})
	}
}
