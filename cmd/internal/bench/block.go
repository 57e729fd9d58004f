package bench

import (
	"bytes"
	"io"
)

// longestStart is how much of a line is looked at: a mark is at the beginning of its.
const longestStart = 2 << 10

// A block is the event that is being read: as much of the format (HTML standard
// 9.2.6) as the servers write that we measure.
type block struct {
	reader *reader
	start  []byte // of a line whose end has not come
	name   []byte
	id     []byte
	mark   mark
	marked bool
}

// read feeds it all there is.
func (b *block) read(in io.Reader) error {
	piece := make([]byte, 4<<10)
	for {
		n, err := in.Read(piece)
		b.feed(piece[:n])
		if err != nil {
			return err
		}
	}
}

func (b *block) feed(piece []byte) {
	for {
		end := bytes.IndexByte(piece, '\n')
		switch {
		case end < 0:
			room := max(0, longestStart-len(b.start))
			b.start = append(b.start, piece[:min(room, len(piece))]...)
			return
		case len(b.start) > 0:
			b.line(append(b.start, piece[:end]...))
			b.start = b.start[:0]
		default:
			b.line(piece[:end])
		}
		piece = piece[end+1:]
	}
}

func (b *block) line(line []byte) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	field, value, _ := bytes.Cut(line, []byte(": "))
	switch string(field) {
	case "event":
		b.name = append(b.name[:0], value...)
	case "id":
		b.id = append(b.id[:0], value...)
	case "data":
		b.mark, b.marked = findMark(value)
	case "":
		if len(line) == 0 {
			b.end()
		}
	}
}

// end takes the whole event.
func (b *block) end() {
	r := b.reader
	if b.marked && string(b.name) == r.event {
		r.take(b.mark, b.id)
	}
	if len(b.id) > 0 {
		r.setCursor(b.id)
	}
	if string(b.name) == "stream.ready" {
		r.ready()
	}
	b.name, b.id, b.marked = b.name[:0], b.id[:0], false
}

// plainBody is a body without any coding.
type plainBody struct{ *block }

func (b plainBody) feed(piece []byte) ([]byte, error) {
	b.block.feed(piece)
	return nil, nil
}
