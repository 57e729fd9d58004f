package sse

import "bytes"

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineCutter cuts a stream into lines that end in CR, LF or CRLF, after dropping one
// byte order mark at its start. A line that ends in CR is returned without waiting for
// an LF that may follow.
type lineCutter struct {
	in      []byte // bytes that are not cut yet; the caller's
	hasCR   bool   // in may hold a CR
	partial []byte // beginning of a line whose end was not in an earlier in
	length  int    // bytes of the line, those that partial leaves out included
	whole   bool   // next has returned the line
	mark    int    // bytes of the byte order mark seen so far
	begun   bool   // the byte order mark was dropped, or there is none
	afterCR bool   // the last line ended in CR: an LF that follows belongs to it
}

// feed sets the bytes to cut. Most servers write no CR: looking for one here, once, is
// cheaper than in each line.
func (l *lineCutter) feed(in []byte) {
	l.in, l.hasCR = in, bytes.IndexByte(in, '\r') >= 0
}

// next returns the next line without its end, valid until the next call. It returns
// false if in is used up and the line has not ended. Of a comment that arrives in
// pieces it returns the colon only.
func (l *lineCutter) next() (line []byte, ok bool) {
	if l.whole {
		l.length, l.whole = 0, false
		if len(l.partial) > 0 {
			l.partial = reusable(l.partial)
		}
	}
	if !l.begun || l.afterCR {
		l.skip()
	}
	end := l.lineEnd()
	if end < 0 {
		l.keep(l.in)
		l.in = nil
		return nil, false
	}
	line = l.in[:end]
	l.afterCR, l.in = l.in[end] == '\r', l.in[end+1:]
	l.whole = true
	if l.length == 0 {
		l.length = len(line)
		return line, true
	}
	l.keep(line)
	return l.partial, true
}

// skip drops bytes that belong to no line: the byte order mark, and an LF after a CR.
func (l *lineCutter) skip() {
	for !l.begun && len(l.in) > 0 {
		if l.in[0] != byteOrderMark[l.mark] {
			l.keep(byteOrderMark[:l.mark]) // it was the beginning of a line
			l.begun = true
			break
		}
		l.in, l.mark = l.in[1:], l.mark+1
		l.begun = l.mark == len(byteOrderMark)
	}
	if l.afterCR && len(l.in) > 0 {
		l.afterCR = false
		if l.in[0] == '\n' {
			l.in = l.in[1:]
		}
	}
}

// keep appends b to the partial line. It does not store comments.
func (l *lineCutter) keep(b []byte) {
	if len(b) == 0 {
		return
	}
	if l.length == 0 && b[0] == ':' {
		l.partial = append(l.partial, ':')
	} else if l.length == 0 || l.partial[0] != ':' {
		l.partial = append(l.partial, b...)
	}
	l.length += len(b)
}

// unfinished returns whether the bytes so far end within a line.
func (l *lineCutter) unfinished() bool {
	return l.length > 0 && !l.whole || l.mark > 0 && !l.begun
}

// lineEnd returns the index of the first CR or LF of in, or -1.
func (l *lineCutter) lineEnd() int {
	b := l.in
	lf := bytes.IndexByte(b, '\n')
	if !l.hasCR {
		return lf
	}
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}
