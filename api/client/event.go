package client

import (
	"encoding/json"
	"io"
	"time"

	"github.com/tidings-live/tidings/api/client/sse"
)

// DefaultMaxBlock is the size in bytes of the largest event that a stream accepts,
// unless WithMaxBlock sets another.
const DefaultMaxBlock = 16 << 20

// ErrBlockTooLarge ends a stream at an event that is larger than its limit. A new
// stream from the same cursor ends at the same event.
var ErrBlockTooLarge = sse.ErrTooLarge

// Event is one event of a stream or a poll.
type Event struct {
	ID    string `json:"id,omitempty"`    // cursor after this event; "" if it has none
	Name  string `json:"event"`           // "message" if it has none
	Topic string `json:"topic,omitempty"` // "" for control events

	// Data is a copy that belongs to the caller. The client does not check that it is
	// JSON.
	Data json.RawMessage `json:"data"`

	// Retry is the reconnection time that the event carries; 0 if it carries none.
	Retry time.Duration `json:"-"`
}

// Ready is the data of stream.ready, the first event of a stream.
type Ready struct {
	Cursor    string  `json:"cursor"`    // where the stream starts
	Heartbeat float64 `json:"heartbeat"` // longest silence of the stream, in seconds
	MaxAge    float64 `json:"maxAge"`    // longest life of the stream, in seconds; 0: no maximum
	User      string  `json:"user"`      // id of the caller; "" if not signed in
}

const (
	maxKnown      = 64  // names and topics that an eventReader remembers
	maxKnownBytes = 256 // length of the longest of them
)

// eventReader reads the events of a stream. An event allocates its data and its id:
// names and topics are few, so their strings are shared between events.
type eventReader struct {
	in    *sse.Reader
	known map[string]string
}

func newEventReader(in io.Reader, maxBlock int) *eventReader {
	return &eventReader{in: sse.NewReader(in, maxBlock), known: make(map[string]string)}
}

// next waits for the next event. Its errors are those of [sse.Reader.Next].
func (r *eventReader) next() (Event, error) {
	ev, err := r.in.Next()
	if err != nil {
		return Event{}, err
	}
	name := "message"
	if len(ev.Name) > 0 {
		name = r.shared(ev.Name)
	}
	return Event{
		ID: string(ev.ID), Name: name, Topic: r.shared(ev.Topic),
		Data: append(make([]byte, 0, len(ev.Data)), ev.Data...), Retry: ev.Retry,
	}, nil
}

// shared returns b as a string, the same one each time while there is room for it.
func (r *eventReader) shared(b []byte) string {
	if s, ok := r.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(r.known) < maxKnown && len(s) <= maxKnownBytes {
		r.known[s] = s
	}
	return s
}
