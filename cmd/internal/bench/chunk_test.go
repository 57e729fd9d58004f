package bench

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/client/sse"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// inPieces feeds text in pieces of size bytes.
func inPieces(in feeder, text string, size int) (err error) {
	for len(text) > 0 && err == nil {
		n := min(size, len(text))
		_, err = in.feed([]byte(text[:n]))
		text = text[n:]
	}
	return err
}

func TestDechunker_Decodes(t *testing.T) {
	t.Parallel()
	const coded = "5\r\nevent\r\n18;name=value\r\n: a\ndata: b\n\r\n\r\nid: 1-2\n\r\n0\r\n\r\n"
	for size := 1; size <= len(coded); size++ {
		var got strings.Builder
		d := &dechunker{body: writerFeeder{&got}}
		if err := inPieces(d, coded, size); !errors.Is(err, errEnded) {
			t.Errorf("in pieces of %d: it ends with %v", size, err)
		}
		streamtest.Want(t, "the body", got.String(), "event: a\ndata: b\n\r\n\r\nid: 1-2\n")
	}
}

func TestDechunker_RefusesMalformedChunks(t *testing.T) {
	t.Parallel()
	for _, coded := range []string{"x\r\n", "-1\r\n", "123456789abc\r\n", strings.Repeat("0", 2*longestSize)} {
		d := &dechunker{body: writerFeeder{io.Discard}}
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
			d := &dechunker{body: writerFeeder{&got}}
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

func TestEventFeeder_RefusesLargeEvents(t *testing.T) {
	t.Parallel()
	r := listening()
	text := "event: bench.message\ndata: {\"text\":\"bench-mark 0 1000 " + strings.Repeat("x", maxEvent) + "\"}\nid: 1-5\n\n"
	streamtest.WantErr(t, inPieces(newEventFeeder(r), text, 4<<10), sse.ErrTooLarge)
	streamtest.Want(t, "events", r.tally.total(), 0)
}

// A writerFeeder writes the bytes that it is fed.
type writerFeeder struct{ to io.Writer }

func (f writerFeeder) feed(piece []byte) ([]byte, error) {
	_, err := f.to.Write(piece)
	return nil, err
}
