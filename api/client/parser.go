package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// DefaultMaxBlock is the largest event a stream takes unless WithMaxBlock says
// otherwise.
const DefaultMaxBlock = 16 << 20

// ErrBlockTooLarge ends a stream on an event larger than its limit. Opening the
// stream again from the same cursor meets the same event.
var ErrBlockTooLarge = errors.New("event block too large")

// Event is one event as it came over the wire.
type Event struct {
	ID    string `json:"id,omitempty"`    // the cursor after this event; "" when it carries none
	Name  string `json:"event"`           // "message" when it carries none
	Topic string `json:"topic,omitempty"` // "" for control events

	// Data is the event's own copy. It is what the server sent, not checked to be JSON.
	Data json.RawMessage `json:"data"`

	// Retry is the reconnection time the event carries; 0 when it carries none.
	Retry time.Duration `json:"-"`
}

const (
	keepSize      = 64 << 10  // a buffer that grew past this is given back when it can be
	maxRetry      = 1<<31 - 1 // milliseconds; a longer retry counts as this one
	maxKnown      = 64        // names and topics a parser remembers
	maxKnownBytes = 256       // and how long each may be
)

// parser reads an event stream as section 9.2.6 of the HTML standard has it, and
// one field more: topic. How the bytes are split over reads makes no difference
// to the events, and an event is returned as soon as its last byte is there.
//
// The standard's decoding is left out: bytes that are not UTF-8 come through as
// they are. An event allocates its data and its id, a line nothing: names and
// topics are few and remembered.
type parser struct {
	lines lineReader
	max   int // bytes of a block

	// The block being read.
	data    []byte
	id      []byte
	name    string
	topic   string
	wait    time.Duration
	hasData bool
	hasID   bool
	open    bool // a field of it has been seen

	// What outlives blocks.
	lastID string // of the last block that ended
	sawID  bool
	retry  time.Duration // 0 until the server sends one
	known  map[string]string
}

func newParser(r io.Reader, maxBlock int) *parser {
	return &parser{lines: lineReader{r: r}, max: maxBlock}
}

// next returns the next event; a block that has no data is none. It returns
// io.EOF when the reader ends between two blocks, io.ErrUnexpectedEOF when it
// ends within one (which is discarded), ErrBlockTooLarge, or the reader's error;
// and the same again when called again.
func (p *parser) next() (Event, error) {
	for {
		line, err := p.lines.next(p.max - len(p.data))
		if err != nil {
			return Event{}, p.ended(err)
		}
		if len(line) > 0 {
			p.line(line)
			continue
		}
		if ev, ok := p.dispatch(); ok {
			return ev, nil
		}
	}
}

// ended turns the end of the lines into the end of the events.
func (p *parser) ended(err error) error {
	switch {
	case err == io.EOF && p.open:
		return io.ErrUnexpectedEOF
	case err == errLineTooLong:
		return fmt.Errorf("%w: over %d bytes", ErrBlockTooLarge, p.max)
	}
	return err
}

// line takes one line that is not empty: a comment or a field.
func (p *parser) line(line []byte) {
	field, value, _ := bytes.Cut(line, []byte{':'})
	if len(field) == 0 {
		return
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	p.open = true
	p.field(field, value)
}

func (p *parser) field(field, value []byte) {
	switch string(field) {
	case "event":
		p.name = p.remember(value)
	case "topic":
		p.topic = p.remember(value)
	case "data":
		if p.hasData {
			p.data = append(p.data, '\n')
		}
		p.data, p.hasData = append(p.data, value...), true
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.hasID = append(p.id[:0], value...), true
		}
	case "retry":
		if d, ok := parseRetry(value); ok {
			p.wait, p.retry = d, d
		}
	}
}

// dispatch ends the block; ok says whether it was an event.
func (p *parser) dispatch() (ev Event, ok bool) {
	if p.hasID {
		p.lastID, p.sawID = string(p.id), true
		ev.ID = p.lastID
	}
	if p.hasData {
		ev.Data = append(make([]byte, 0, len(p.data)), p.data...)
		ev.Name, ev.Topic, ev.Retry, ok = p.name, p.topic, p.wait, true
		if ev.Name == "" {
			ev.Name = "message"
		}
	}
	p.reset()
	return ev, ok
}

func (p *parser) reset() {
	p.data = p.data[:0]
	if cap(p.data) > keepSize {
		p.data = nil
	}
	p.name, p.topic, p.wait = "", "", 0
	p.hasData, p.hasID, p.open = false, false, false
}

// remember returns b as a string, the same one each time while there is room.
func (p *parser) remember(b []byte) string {
	if s, ok := p.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(p.known) < maxKnown && len(s) <= maxKnownBytes {
		if p.known == nil {
			p.known = make(map[string]string)
		}
		p.known[s] = s
	}
	return s
}

// parseRetry reads ASCII digits and nothing else as milliseconds.
func parseRetry(value []byte) (d time.Duration, ok bool) {
	var ms int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		ms = min(ms*10+int64(c-'0'), maxRetry)
	}
	return time.Duration(ms) * time.Millisecond, len(value) > 0
}
