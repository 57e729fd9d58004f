package bench

import (
	"net/http"
	"net/url"
	"slices"
)

// A protocol is a way to subscribe to a server's events.
type protocol interface {
	// open requests the events after the reader's cursor on conn. It returns the feeder
	// for the rest of the connection. A feeder, or open itself, calls r.ready when the
	// server has accepted the subscription.
	open(r *reader, conn *rawConn) (feeder, error)
}

// tidingsStream is the event stream of Tidings. A reader is live with stream.ready.
type tidingsStream struct{}

// open implements [protocol]. The cursor goes into the query.
func (tidingsStream) open(r *reader, conn *rawConn) (feeder, error) {
	answer, err := conn.roundTrip(conn.dialer.get("/v1/events?"+r.query().Encode(), r.token, "text/event-stream", ""))
	if err != nil {
		return nil, err
	}
	return bodyOf(answer, r), nil
}

// eventSource is the event stream of any server, requested as a browser's EventSource
// does. A reader is live with the response's header.
type eventSource struct {
	path string // with the query
}

// open implements [protocol]. The cursor goes into Last-Event-ID.
func (e eventSource) open(r *reader, conn *rawConn) (feeder, error) {
	answer, err := conn.roundTrip(conn.dialer.get(e.path, r.token, "text/event-stream", string(r.cursor)))
	if err != nil {
		return nil, err
	}
	r.ready()
	return bodyOf(answer, r), nil
}

// query returns the query of a subscription to the reader's topic from its cursor.
func (r *reader) query() url.Values {
	cursor := string(r.cursor)
	if cursor == "" {
		cursor = "now"
	}
	return url.Values{"topic": {r.topic}, "cursor": {cursor}}
}

// bodyOf returns the feeder for the response's body, an event stream that may be in the
// chunked coding.
func bodyOf(answer *http.Response, r *reader) feeder {
	body := newEventFeeder(r)
	if slices.Contains(answer.TransferEncoding, "chunked") {
		return &dechunker{body: body}
	}
	return body
}

// get returns a GET request with as few header fields as possible. The token goes into
// Authorization and the cursor into Last-Event-ID; "" leaves the field out.
func (d *dialer) get(path, token, accept, cursor string) []byte {
	fields := "Accept: " + accept + "\r\n"
	if token != "" {
		fields += "Authorization: Bearer " + token + "\r\n"
	}
	if cursor != "" {
		fields += "Last-Event-ID: " + cursor + "\r\n"
	}
	return d.request("GET", path, fields, "")
}

// request returns a request. Each of the fields ends in CRLF.
func (d *dialer) request(method, path, fields, body string) []byte {
	return []byte(method + " " + d.base + path + " HTTP/1.1\r\nHost: " + d.host + "\r\nUser-Agent: tidings-bench\r\n" + fields + "\r\n" + body)
}
