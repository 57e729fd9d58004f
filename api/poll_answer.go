package api

import (
	"bytes"
	"encoding/json"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream"
)

// mostPollBytes bounds the events of one answer. The first event with a cursor, and the
// ephemeral events before it, are always part of the answer.
const mostPollBytes = 1 << 20

// A pollJSON is the body of the answer to a poll, without the member user: the id of the
// caller, or null. It is the last member, because all before it are shared.
type pollJSON struct {
	Events []pollEventJSON `json:"events"`
	Cursor stream.Cursor   `json:"cursor"`
	More   bool            `json:"more"` // poll again at once
}

// A pollEventJSON is one event of a pollJSON.
type pollEventJSON struct {
	ID    string       `json:"id,omitempty"` // absent from ephemeral events
	Event stream.Name  `json:"event"`
	Topic stream.Topic `json:"topic"`
	Data  stream.Data  `json:"data"`
}

// eventsBody encodes the events of a result, all but the member user, and returns the cursor
// of the next poll. [endOfPoll] is the rest.
func eventsBody(result stream.PollResult) (body []byte, next stream.Cursor) {
	answer := pollEvents(result)
	body = encodePoll(&answer)
	return append(bytes.TrimSuffix(body, []byte("}")), `,"user":`...), answer.Cursor
}

// endOfPoll is the end of the answers of a user's polls.
func endOfPoll(who auth.Identity) []byte {
	return append(encodePoll(who.ID()), "}\n"...)
}

// encodePoll encodes a part of an answer. Its types always encode.
func encodePoll(part any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(part)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
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
