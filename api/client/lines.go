package client

import (
	"bytes"
	"errors"
	"io"
)

const (
	readSize      = 4 << 10 // what one read asks for at most, and a buffer's first size
	maxEmptyReads = 100
)

// errLineTooLong is replaced by the parser, which knows the limit's name.
var errLineTooLong = errors.New("line too long")

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineReader cuts a stream into lines that end in CR, LF or CRLF, after dropping
// one byte order mark at its start. A line that ends in CR is returned without
// waiting to see whether an LF follows. A last line that does not end is no line.
type lineReader struct {
	r   io.Reader
	err error // of the reader; returned when the buffered lines are used up

	buf     []byte // buf[start:] is read and not yet returned
	start   int
	scanned int  // leading bytes of buf[start:] that hold no line end
	begun   bool // past the byte order mark, or past where it would be
	afterCR bool // the last line ended in CR: an LF now belongs to it
}

// next returns the next line without its end, valid until the call after. It
// returns errLineTooLong when the line is over limit, io.ErrUnexpectedEOF when
// the reader ends within a line, and otherwise the reader's error.
func (l *lineReader) next(limit int) ([]byte, error) {
	for {
		line, ok := l.cut()
		if ok && len(line) <= limit {
			return line, nil
		}
		if ok || (l.begun && len(l.buf)-l.start > limit) {
			l.err = errLineTooLong
			l.drop()
		}
		if l.err != nil {
			return nil, l.ended()
		}
		l.fill()
	}
}

// cut takes a whole line off the buffer, if it holds one.
func (l *lineReader) cut() (line []byte, ok bool) {
	if !l.begin() {
		return nil, false
	}
	rest := l.buf[l.start:]
	i := lineEnd(rest[l.scanned:])
	if i < 0 {
		l.scanned = len(rest)
		return nil, false
	}
	i += l.scanned
	l.start, l.scanned, l.afterCR = l.start+i+1, 0, rest[i] == '\r'
	return rest[:i], true
}

// begin steps over what belongs to no line: the byte order mark, and an LF whose
// CR ended the line before. It returns false until it has seen enough to tell.
func (l *lineReader) begin() bool {
	rest := l.buf[l.start:]
	if !l.begun {
		if len(rest) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, rest) {
			return false
		}
		l.begun = true
		if bytes.HasPrefix(rest, byteOrderMark) {
			l.start += len(byteOrderMark)
		}
	}
	if l.afterCR && len(rest) > 0 {
		l.afterCR = false
		if rest[0] == '\n' {
			l.start++
		}
	}
	return true
}

// lineEnd returns where the first CR or LF is, or -1. Two scans by the word beat
// one by the byte; the second is no longer than the line.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// fill reads once. It asks for little, so that what is buffered is never much
// more than the line that is being waited for.
func (l *lineReader) fill() {
	l.makeRoom()
	for range maxEmptyReads {
		end := len(l.buf)
		n, err := l.r.Read(l.buf[end:min(cap(l.buf), end+readSize)])
		l.buf, l.err = l.buf[:end+n], err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// makeRoom leaves at least one free byte behind what is buffered: it moves the
// beginning of a line to the front, at most once a line, and doubles the buffer
// when that line fills it.
func (l *lineReader) makeRoom() {
	rest, size := l.buf[l.start:], cap(l.buf)
	into := l.buf[:0]
	switch {
	case l.start == 0 && len(rest) < size:
		return
	case len(rest) == size:
		into = make([]byte, 0, max(readSize, 2*size))
	case size > keepSize && len(rest) < readSize:
		into = make([]byte, 0, readSize)
	}
	l.buf, l.start = append(into, rest...), 0
}

func (l *lineReader) ended() error {
	if l.err == io.EOF && len(l.buf) > l.start {
		return io.ErrUnexpectedEOF
	}
	return l.err
}

// drop forgets what is buffered: nothing will be returned any more.
func (l *lineReader) drop() { l.buf, l.start, l.scanned = nil, 0, 0 }
