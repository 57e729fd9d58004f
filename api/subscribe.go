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

// maxCursorBytes bounds what is looked at as a cursor.
const maxCursorBytes = 256

// maxReaderBody bounds the body that some clients send where none is wanted.
const maxReaderBody = 1 << 10

// A reading is what a reader asked for, on either transport.
type reading struct {
	topics []stream.Topic
	start  stream.Start
	who    auth.Identity
	ticket string // by which who is known; "" for a token, or nobody
	values url.Values
}

// reading parses and authorizes: the same on either transport.
func (s *Server) reading(c echo.Context) (reading, error) {
	// Nothing is done with a body, but net/http notices nobody leave before it has ended.
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxReaderBody)); err != nil {
		return reading{}, problemMalformed.with("a body came that did not end, or was not wanted")
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
	if secret != "" {
		if err := s.room(); err != nil { // before anything is looked up
			return reading{}, err
		}
		r.ticket = secret
		if r.who, granted, err = s.tickets.Show(c.Request().Context(), secret); err != nil {
			return reading{}, err
		}
	}
	if r.topics, err = s.topics.readable(values["topic"], r.who); err != nil {
		return reading{}, err
	}
	if r.ticket != "" {
		err = within(r.topics, granted)
	}
	return r, err
}

// start finds the cursor. The header wins: a browser that reconnects still has the
// old one in its URL. An empty header is none (HTML standard 9.2.4).
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

func parseStart(text string) (stream.Start, error) {
	if len(text) > maxCursorBytes {
		return stream.Start{}, problemCursor.with(fmt.Sprintf("it has more than %d bytes", maxCursorBytes))
	}
	return stream.ParseStart(text)
}
