package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// mostPollBytes bounds the events of one answer. The first event with a cursor, and the
// ephemeral events before it, are always part of the answer.
const mostPollBytes = 1 << 20

// A pollJSON is the body of the answer to a poll.
type pollJSON struct {
	Events []pollEventJSON `json:"events"`
	Cursor stream.Cursor   `json:"cursor"`
	More   bool            `json:"more"` // poll again at once
	User   *string         `json:"user"` // id of the caller
}

// A pollEventJSON is one event of a pollJSON.
type pollEventJSON struct {
	ID    string       `json:"id,omitempty"` // absent from ephemeral events
	Event stream.Name  `json:"event"`
	Topic stream.Topic `json:"topic"`
	Data  stream.Data  `json:"data"`
}

// pollReply returns the answer of a poll of who for a result, and logs the failure if the server is to
// blame. It may be called by a worker of the hub, long after the request has ended.
func (s *Server) pollReply(result stream.PollResult, who auth.Identity, line requestLine) reply {
	answer, err := eventsReply(result, who)
	if err == nil {
		return answer
	}
	s.logFailure(err, line)
	return problemReply(err, line)
}

// eventsReply encodes the events of a result, in JSON and whole, so that the answer has a
// Content-Length. It returns the error of the result, but for ErrClosed: a server that
// stops answers with no events, and the client goes on at another server.
func eventsReply(result stream.PollResult, who auth.Identity) (reply, error) {
	header := http.Header{}
	switch {
	case errors.Is(result.Err, stream.ErrClosed):
		header.Set("Connection", "close")
	case result.Err != nil:
		return reply{}, result.Err
	}
	answer := pollEvents(result)
	answer.User = who.ID()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&answer); err != nil {
		return reply{}, fmt.Errorf("encode events: %w", err)
	}
	header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set(nextCursor, answer.Cursor.String())
	return reply{status: http.StatusOK, header: header, body: body.Bytes()}, nil
}

// pollEvents takes events of a result up to mostPollBytes. It cuts only after an event
// that has a cursor: the events after the cut would otherwise be lost.
func pollEvents(result stream.PollResult) pollJSON {
	answer := pollJSON{Events: make([]pollEventJSON, 0, len(result.Frames)), Cursor: result.Cursor, More: result.More}
	var through stream.Cursor // of the last event that has one
	size := 0
	for _, f := range result.Frames {
		if size += len(f.SSE()); size > mostPollBytes && through != (stream.Cursor{}) {
			answer.Cursor, answer.More = through, true
			break
		}
		e := pollEventJSON{Event: f.Name, Topic: f.Topic, Data: f.Data()}
		if !f.Ephemeral() {
			through, e.ID = f.Cursor, f.Cursor.String()
		}
		answer.Events = append(answer.Events, e)
	}
	return answer
}
