package bench

import (
	"bytes"
	"errors"
	"strconv"
)

// A feeder consumes the bytes of one connection in pieces of any size. It must not keep
// piece. reply is to be sent to the server if it is not empty; it is valid until the
// next call. An error ends the connection: errEnded after a last chunk.
type feeder interface {
	feed(piece []byte) (reply []byte, err error)
}

var (
	errChunk = errors.New("malformed chunk")
	errEnded = errors.New("the server ended the stream")
)

// A dechunker decodes the chunked coding (RFC 9112, section 7.1).
type dechunker struct {
	left int    // bytes of the current chunk's data that have not arrived
	line []byte // beginning of a size line, or of the line end after a chunk's data
	body feeder // of the data; its replies are dropped
}

// longestSize is the limit of a size line in bytes, chunk extensions included.
const longestSize = 64

// feed implements [feeder]. It feeds the decoded bytes to body.
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

// size parses a line between two chunks: the empty line that ends a chunk's data, or the
// size of the next chunk. It returns errEnded for the last chunk, of size 0.
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
