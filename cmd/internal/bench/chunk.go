package bench

import (
	"bytes"
	"errors"
	"strconv"
)

// A feeder takes the bytes of one connection as they come, in pieces of any size. It
// returns what is to be written back, if anything, and an error when no more is to
// be read: io.EOF after a last chunk.
type feeder interface {
	feed(piece []byte) (reply []byte, err error)
}

var (
	errChunk = errors.New("malformed chunk")
	errEnded = errors.New("the server ended the stream")
)

// A dechunker takes the chunked coding (RFC 9112, 7.1) off a body.
type dechunker struct {
	left int    // bytes of this chunk's data
	line []byte // the beginning of a size line, or of the line end after the data
	body feeder // of the data; its replies are dropped
}

const longestSize = 64 // of a size line, extensions included

func (d *dechunker) feed(piece []byte) ([]byte, error) {
	for len(piece) > 0 {
		if d.left > 0 {
			n := min(d.left, len(piece))
			if _, err := d.body.feed(piece[:n]); err != nil {
				return nil, err
			}
			d.left -= n
			piece = piece[n:]
			continue
		}
		end := bytes.IndexByte(piece, '\n')
		if end < 0 {
			d.line = append(d.line, piece...)
			end = len(piece) - 1
		} else if err := d.size(append(d.line, piece[:end]...)); err != nil {
			return nil, err
		}
		if len(d.line) > longestSize {
			return nil, errChunk
		}
		piece = piece[end+1:]
	}
	return nil, nil
}

// size takes a line between two chunks: the empty one that ends the data, or the
// size of the next.
func (d *dechunker) size(line []byte) error {
	d.line = d.line[:0]
	line, _, _ = bytes.Cut(bytes.TrimSpace(line), []byte{';'})
	if len(line) == 0 {
		return nil
	}
	n, err := strconv.ParseInt(string(line), 16, 32)
	if err != nil || n < 0 {
		return errChunk
	}
	if n == 0 {
		return errEnded
	}
	d.left = int(n)
	return nil
}
