package sse

import (
	"io"
	"time"
)

const (
	readSize      = 4 << 10 // bytes of a Reader's buffer
	maxEmptyReads = 100     // reads without bytes and without an error before io.ErrNoProgress
)

// Reader reads events from an io.Reader. Its methods are for one goroutine at a time.
type Reader struct {
	in     io.Reader
	parser *Parser
	buf    []byte
	err    error // of in; returned when the events that were read are used up
}

// NewReader returns a reader of the stream in, with the limit of [NewParser].
func NewReader(in io.Reader, max int) *Reader {
	return &Reader{in: in, parser: NewParser(max), buf: make([]byte, readSize)}
}

// Next waits for the next event. Its error is io.EOF if the stream ended between two
// events, io.ErrUnexpectedEOF if it ended within an event or a line, [ErrTooLarge]
// (wrapped), or the error of the io.Reader. An error is final.
func (r *Reader) Next() (Event, error) {
	for {
		if ev, ok := r.parser.Next(); ok {
			return ev, nil
		}
		switch {
		case r.parser.Err() != nil:
			return Event{}, r.parser.Err()
		case r.err == io.EOF && r.parser.Unfinished():
			return Event{}, io.ErrUnexpectedEOF
		case r.err != nil:
			return Event{}, r.err
		}
		r.fill()
	}
}

// fill reads until it has read at least one byte or failed.
func (r *Reader) fill() {
	for range maxEmptyReads {
		var n int
		n, r.err = r.in.Read(r.buf)
		if n > 0 || r.err != nil {
			r.parser.Feed(r.buf[:n])
			return
		}
	}
	r.err = io.ErrNoProgress
}

// LastID is [Parser.LastID].
func (r *Reader) LastID() (id []byte, ok bool) { return r.parser.LastID() }

// Retry is [Parser.Retry].
func (r *Reader) Retry() time.Duration { return r.parser.Retry() }
