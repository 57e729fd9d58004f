package api

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// maxCursorBytes is the longest text that is parsed as a cursor.
const maxCursorBytes = 256

// maxReaderBody is the longest request body that a stream or poll accepts. Some clients
// send one, although it has no meaning.
const maxReaderBody = 1 << 10

// A reading is the parsed and authorized request for a stream or a poll.
type reading struct {
	topics   []stream.Topic
	start    stream.Start
	who      auth.Identity
	ticket   string // the ticket that named the identity; empty without one
	presence bool   // the reader gets presence events
	values   url.Values
}

// reading parses and authorizes a request for a stream or a poll.
func (s *Server) reading(c echo.Context) (reading, error) {
	// The body is not used. But net/http notices that a client has left only after the end
	// of the body.
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxReaderBody)); err != nil {
		return reading{}, problemMalformed.with("the request has a body that is too long or does not end")
	}
	values := query(c)
	r := reading{who: identity(c), values: values}
	var granted []string
	secret, err := single(values, "ticket")
	if err != nil {
		return reading{}, err
	}
	if r.start, err = start(c, values); err != nil {
		return reading{}, err
	}
	if r.presence, err = flag(values, "presence"); err != nil {
		return reading{}, err
	}
	if secret != "" {
		if err := s.room(); err != nil { // before the ticket is looked up in the database
			return reading{}, err
		}
		r.ticket = secret
		if r.who, granted, err = s.showTicket(c, secret); err != nil {
			return reading{}, err
		}
	}
	asked := values["topic"]
	if len(asked) == 0 { // the topics of the ticket, if there is one
		asked = granted
	}
	if r.topics, err = s.topics.readable(asked, r.who); err != nil {
		explainCookie(c, err)
		return reading{}, err
	}
	if r.ticket != "" {
		err = within(r.topics, granted)
	}
	return r, err
}

// start finds the cursor of a request. The header Last-Event-ID has precedence: the URL of a
// browser that reconnects still has the old cursor. An empty header counts as none (HTML
// standard, section 9.2.4).
func start(c echo.Context, values url.Values) (stream.Start, error) {
	headers := c.Request().Header.Values("Last-Event-ID")
	if len(headers) > 1 {
		return stream.Start{}, problemMalformed.with("more than one Last-Event-ID")
	}
	if len(headers) == 1 && headers[0] != "" {
		return parseStart(headers[0])
	}
	for _, name := range []string{"cursor", "last_event_id", "lastEventId"} {
		text, err := single(values, name)
		if err != nil {
			return stream.Start{}, err
		}
		if text != "" {
			return parseStart(text)
		}
	}
	return stream.Now, nil
}

// parseStart parses a cursor, now or earliest.
func parseStart(text string) (stream.Start, error) {
	if len(text) > maxCursorBytes {
		return stream.Start{}, problemCursor.with(fmt.Sprintf("it has more than %d bytes", maxCursorBytes))
	}
	return stream.ParseStart(text)
}
