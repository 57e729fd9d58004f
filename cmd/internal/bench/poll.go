package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// polling is a [protocol] of long-polls, of any server: each request follows the answer to
// the one before, over the same connection.
type polling struct {
	// begin returns the poller for a connection of a reader.
	begin func(r *reader, d *dialer) poller
}

// A poller makes the requests of one connection, and counts the events of the answers.
type poller interface {
	// request returns the next request. The first one is for a new connection.
	request() []byte
	// take counts the events of the answer to the last request. It calls ready of its reader
	// when the server has accepted the reader.
	take(a *answer) error
}

// open implements [protocol]. It returns when the server has accepted the reader.
func (p polling) open(r *reader, conn *rawConn) (feeder, error) {
	in := &pollFeeder{poller: p.begin(r, conn.dialer)}
	if _, err := conn.Write(in.poller.request()); err != nil {
		return nil, err
	}
	return in, conn.feedUntil(in, func() bool { return r.live })
}

// A pollFeeder parses the answers of a connection, and replies to each with the next request.
type pollFeeder struct {
	poller poller
	unread []byte // beginning of an answer
}

// feed implements [feeder].
func (f *pollFeeder) feed(piece []byte) ([]byte, error) {
	f.unread = append(f.unread, piece...)
	a, err := parseAnswer(f.unread)
	if a == nil || err != nil {
		return nil, err
	}
	f.unread = f.unread[:0]
	switch {
	case a.status != http.StatusOK:
		return nil, problemOf(a.status, a.body)
	case bytes.EqualFold(a.field("Connection"), []byte("close")):
		return nil, errors.Join(f.poller.take(a), errEnded)
	}
	if err := f.poller.take(a); err != nil {
		return nil, err
	}
	return f.poller.request(), nil
}

// An answer is a response with Content-Length. It refers to the bytes that it was parsed from.
type answer struct {
	status int
	head   []byte // after the status line; each field ends in CRLF
	body   []byte
}

var errAnswer = errors.New("malformed answer, or one without Content-Length")

// parseAnswer parses one response of HTTP/1.1. It returns nil if the response is incomplete,
// and an error if there are more bytes: no further request was sent.
func parseAnswer(b []byte) (*answer, error) {
	const line, status = "HTTP/1.1 200", "HTTP/1.1 "
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, nil
	}
	a := &answer{body: b[end+4:]}
	first := bytes.Index(b, []byte("\r\n"))
	a.head = b[first+2 : min(end+4, len(b))]
	var err error
	if first < len(line) || !bytes.HasPrefix(b, []byte(status)) {
		return nil, errAnswer
	}
	if a.status, err = strconv.Atoi(string(b[len(status):len(line)])); err != nil {
		return nil, errAnswer
	}
	size, err := strconv.Atoi(string(a.field("Content-Length")))
	switch {
	case err != nil || len(a.body) > size:
		return nil, fmt.Errorf("%w: %.200q", errAnswer, b)
	case len(a.body) < size:
		return nil, nil
	}
	return a, nil
}

// field returns the value of the first field with a name, or nil.
func (a *answer) field(name string) []byte {
	for line := range bytes.SplitSeq(a.head, []byte("\r\n")) {
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}
