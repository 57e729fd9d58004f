package sse

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// ErrTooLarge is returned for an event that is larger than the limit of its parser.
var ErrTooLarge = errors.New("event too large")

const (
	keepSize = 64 << 10  // bytes; a larger buffer is released after its event
	maxRetry = 1<<31 - 1 // milliseconds; a longer retry counts as this one
)

// Event is one event of a stream. Its byte slices belong to the parser and are valid
// until the next call of Next.
type Event struct {
	ID    []byte        // empty if the event has none
	Name  []byte        // the "event" field; empty if the event has none, which means "message"
	Topic []byte        // empty if the event has none
	Data  []byte        // all "data" fields, joined by LF
	Retry time.Duration // reconnection time that the event carries; 0 if it carries none
}

// Parser parses one event stream. The caller passes bytes to Feed, and calls Next until
// it returns false:
//
//	parser.Feed(piece)
//	for event, ok := parser.Next(); ok; event, ok = parser.Next() {
//		…
//	}
//	err := parser.Err()
//
// Between two events a Parser keeps small buffers only, for reuse: parsing an event
// does not allocate. The methods are for one goroutine at a time.
type Parser struct {
	lines lineCutter
	max   int // bytes of an event
	err   error

	// The event that is being read.
	data    []byte
	id      []byte
	name    []byte
	topic   []byte
	wait    time.Duration
	hasData bool
	hasID   bool
	open    bool // a field of it has been seen

	// These outlive events.
	lastID []byte
	sawID  bool
	retry  time.Duration // 0 until the server sends one
}

// NewParser returns a parser at the beginning of a stream. The parser fails with
// [ErrTooLarge] as soon as an event's data and the line being read are more than max
// bytes together, or a comment is.
func NewParser(max int) *Parser { return &Parser{max: max} }

// Feed gives the parser the next bytes of the stream. The caller must not change piece
// before Next has returned false, nor call Feed again before that.
func (p *Parser) Feed(piece []byte) { p.lines.feed(piece) }

// Next returns the next event that is complete in the bytes so far. It returns false if
// more bytes are needed, and if the parser has failed: see Err. A block without data is
// not an event, but its id and its retry count.
func (p *Parser) Next() (Event, bool) {
	for p.err == nil {
		line, ok := p.lines.next()
		if p.lines.length > p.max-len(p.data) {
			p.fail()
			break
		}
		if !ok {
			break
		}
		if len(line) > 0 {
			p.line(line)
			continue
		}
		if ev, ok := p.dispatch(); ok {
			return ev, true
		}
	}
	return Event{}, false
}

func (p *Parser) fail() {
	p.err = fmt.Errorf("%w: over %d bytes", ErrTooLarge, p.max)
	p.lines, p.data = lineCutter{}, nil
}

// Err returns an error for which errors.Is(err, ErrTooLarge), or nil. An error is
// final.
func (p *Parser) Err() error { return p.err }

// Unfinished returns whether the bytes so far end within a line or an event. A stream
// that ends there was cut off; its last event is not to be used.
func (p *Parser) Unfinished() bool { return p.open || p.lines.unfinished() }

// LastID returns the id that a new stream resumes from: the one of the last event or
// block that was complete and had an id. ok is false if there was none.
func (p *Parser) LastID() (id []byte, ok bool) { return p.lastID, p.sawID }

// Retry returns the last reconnection time that the server sent; 0 if it sent none.
func (p *Parser) Retry() time.Duration { return p.retry }

// line parses one line that is not empty: a comment or a field.
func (p *Parser) line(line []byte) {
	field, value := line, line[len(line):]
	switch colon := bytes.IndexByte(line, ':'); {
	case colon == 0:
		return
	case colon > 0:
		field, value = line[:colon], line[colon+1:]
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	p.open = true
	p.field(field, value)
}

func (p *Parser) field(field, value []byte) {
	switch string(field) {
	case "event":
		p.name = append(p.name[:0], value...)
	case "topic":
		p.topic = append(p.topic[:0], value...)
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

// dispatch ends the block. It returns false if the block had no data.
func (p *Parser) dispatch() (Event, bool) {
	ev, ok := Event{Name: p.name, Topic: p.topic, Data: p.data, Retry: p.wait}, p.hasData
	if p.hasID {
		p.lastID, p.sawID = append(p.lastID[:0], p.id...), true
		ev.ID = p.lastID
	}
	p.data = reusable(p.data)
	p.name, p.topic, p.wait = reusable(p.name), reusable(p.topic), 0
	p.hasData, p.hasID, p.open = false, false, false
	return ev, ok
}

// reusable returns b's memory for the next event, unless it is large.
func reusable(b []byte) []byte {
	if cap(b) > keepSize {
		return nil
	}
	return b[:0]
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
