package bench

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// inPieces feeds it pieces of so many bytes.
func inPieces(in feeder, text string, size int) (err error) {
	for len(text) > 0 && err == nil {
		n := min(size, len(text))
		_, err = in.feed([]byte(text[:n]))
		text = text[n:]
	}
	return err
}

func TestDechunker_TakesTheCodingOff(t *testing.T) {
	t.Parallel()
	const coded = "5\r\nevent\r\n18;name=value\r\n: a\ndata: b\n\r\n\r\nid: 1-2\n\r\n0\r\n\r\n"
	for size := 1; size <= len(coded); size++ {
		var got strings.Builder
		d := &dechunker{next: func(data []byte) { got.Write(data) }}
		if err := inPieces(d, coded, size); !errors.Is(err, errEnded) {
			t.Errorf("in pieces of %d: it ends with %v", size, err)
		}
		want(t, "the body", got.String(), "event: a\ndata: b\n\r\n\r\nid: 1-2\n")
	}
}

func TestDechunker_RefusesWhatIsNoChunk(t *testing.T) {
	t.Parallel()
	for _, coded := range []string{"x\r\n", "-1\r\n", "123456789abc\r\n", strings.Repeat("0", 2*longestSize)} {
		d := &dechunker{next: func([]byte) {}}
		if err := inPieces(d, coded, 7); !errors.Is(err, errChunk) {
			t.Errorf("%q: %v", coded, err)
		}
	}
}

func FuzzDechunker(f *testing.F) {
	f.Add("5\r\nevent\r\n0\r\n\r\n", 3)
	f.Add("1;a\r\nx\r\n", 1)
	f.Fuzz(func(t *testing.T, coded string, size int) {
		read := func(size int) (string, error) {
			var got strings.Builder
			d := &dechunker{next: func(data []byte) { got.Write(data) }}
			err := inPieces(d, coded, size)
			return got.String(), err
		}
		whole, _ := read(len(coded))
		pieces, _ := read(max(1, size%64))
		if whole != pieces {
			t.Errorf("whole %q, in pieces %q", whole, pieces)
		}
	})
}

func TestBlock_ForgetsTheRestOfALongLine(t *testing.T) {
	t.Parallel()
	r := listening()
	b := block{reader: r}
	text := "event: bench.message\ndata: {\"text\":\"bench-mark 0 1000 " + strings.Repeat("x", 1<<20) + "\"}\nid: 1-5\n\n"
	if err := b.read(iotest.HalfReader(strings.NewReader(text))); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	want(t, "events", r.tally.count(), 1)
	if cap(b.start) > 2*longestStart {
		t.Errorf("it keeps %d bytes", cap(b.start))
	}
}
