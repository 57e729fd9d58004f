package bench

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
)

// A dialect is how a server is asked for events, and how they come.
type dialect interface {
	// open asks for the events after the reader's cursor and returns who reads the
	// rest of the connection; nobody, when the reader is to ask again and again.
	open(r *reader, conn *wireConn) (feeder, error)
}

// tidingsStream is our own event stream. A reader is live when it is told so.
type tidingsStream struct{}

func (tidingsStream) open(r *reader, conn *wireConn) (feeder, error) {
	answer, err := conn.ask(conn.wire.get("/v1/events?"+r.query().Encode(), r.token, "text/event-stream", ""))
	if err != nil {
		return nil, err
	}
	return bodyOf(answer, r), nil
}

// tidingsPoll is our own long-poll.
type tidingsPoll struct{}

func (tidingsPoll) open(*reader, *wireConn) (feeder, error) { return nil, nil }

// eventSource is anybody's event stream, as a browser asks for it. A reader is live
// with the answer's head.
type eventSource struct {
	path string // and query
}

func (e eventSource) open(r *reader, conn *wireConn) (feeder, error) {
	answer, err := conn.ask(conn.wire.get(e.path, r.token, "text/event-stream", string(r.cursor)))
	if err != nil {
		return nil, err
	}
	r.ready()
	return bodyOf(answer, r), nil
}

// query asks for what comes after the cursor.
func (r *reader) query() url.Values {
	cursor := string(r.cursor)
	if cursor == "" {
		cursor = "now"
	}
	return url.Values{"topic": {r.topic}, "cursor": {cursor}}
}

// bodyOf reads the answer's body as an event stream.
func bodyOf(answer *http.Response, r *reader) feeder {
	body := newEventFeeder(r)
	if slices.Contains(answer.TransferEncoding, "chunked") {
		return &dechunker{body: body}
	}
	return body
}

// get is a request as bare as it can be. The cursor goes into a Last-Event-ID.
func (w *wire) get(path, token, accept, cursor string) []byte {
	var b bytes.Buffer
	b.WriteString("GET " + w.base + path + " HTTP/1.1\r\nHost: " + w.host + "\r\nAccept: " + accept + "\r\nUser-Agent: tidings-bench\r\n")
	if token != "" {
		b.WriteString("Authorization: Bearer " + token + "\r\n")
	}
	if cursor != "" {
		b.WriteString("Last-Event-ID: " + cursor + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
