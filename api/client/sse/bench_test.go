package sse

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// endless reads a text again and again.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

// frames is a stretch of a stream such as our server writes it, with a heartbeat.
func frames(count, size int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "event: new-comment\ntopic: post:42\ndata: {%q:%q}\nid: 1-%d\n\n:\n",
			"body", strings.Repeat("x", size), 10000+i)
	}
	return b.String()
}

func BenchmarkParser(b *testing.B) {
	for _, size := range []int{200, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dBytes", size), func(b *testing.B) {
			text := frames(10, size)
			p := NewReader(&endless{text: text}, defaultMax)
			b.SetBytes(int64(len(text) / 10))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHeartbeats(b *testing.B) {
	text := strings.Repeat(":\n", readSize)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	r := strings.NewReader(text)
	p := NewReader(r, defaultMax)
	for b.Loop() {
		r.Reset(text)
		p.err = nil
		if _, err := p.Next(); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func TestParser_AllocatesNothing(t *testing.T) {
	p := NewReader(&endless{text: frames(10, 200)}, defaultMax)
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}
