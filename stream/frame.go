package stream

import (
	"strconv"
	"sync/atomic"
	"time"
)

// A Frame is an event and its bytes on the wire, encoded once and shared by all its
// readers, who must not change them.
type Frame struct {
	Event
	sse        []byte
	conflation conflation   // of which it is a state; zero: none, it is never left out
	superseded atomic.Int64 // position of the next state of the same conflation; 0: none yet
}

// NewFrame encodes an event.
func NewFrame(e Event) *Frame {
	return &Frame{Event: e, sse: appendBlock(nil, e, e.Data.json), conflation: conflationOf(e)}
}

// SSE is one block of an event stream (HTML standard 9.2.6): the fields event,
// topic, data, id in this order, each once, "\n" after each and after the block.
// The field topic is ours; EventSource ignores it. An ephemeral event has no id.
func (f *Frame) SSE() []byte { return f.sse }

// Enveloped is the block with the topic inside the data, {"topic":…,"data":…}, for
// an EventSource that reads several topics. It is encoded anew by each call.
func (f *Frame) Enveloped() []byte { return f.appendEnveloped(nil) }

func (f *Frame) appendEnveloped(b []byte) []byte {
	b = appendHead(b, f.Event)
	b = append(b, `{"topic":"`...)
	b = append(b, f.Topic.text...) // its grammar has nothing that JSON escapes
	b = append(b, `","data":`...)
	b = append(b, f.Data.json...)
	b = append(b, '}')
	return appendEnd(b, f.Event)
}

func appendBlock(b []byte, e Event, data []byte) []byte {
	return appendEnd(append(appendHead(b, e), data...), e)
}

// appendHead appends a block up to its data, appendEnd what follows.
func appendHead(b []byte, e Event) []byte {
	b = appendField(b, "event", e.Name.text)
	if e.Topic.text != "" {
		b = appendField(b, "topic", e.Topic.text)
	}
	return append(b, "data: "...)
}

func appendEnd(b []byte, e Event) []byte {
	b = append(b, '\n')
	if !e.Ephemeral() {
		b = append(b, "id: "...)
		b = e.Cursor.append(b)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

func appendField(b []byte, field, value string) []byte {
	b = append(b, field...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}

// Heartbeat is what a quiet stream sends: a comment line without the blank line
// that some clients take for an event.
var Heartbeat = []byte(":\n")

// Ping is a heartbeat that JavaScript can see.
func Ping() []byte {
	return control(PingName, Cursor{}, 0, struct{}{})
}

// Ready is the first block of a stream: where it starts, and how it will behave.
// Each stream gets a retry of its own, because EventSource keeps the last one.
func Ready(at Cursor, heartbeat, maxAge, retry time.Duration) []byte {
	return control(ReadyName, at, retry, struct {
		Cursor    Cursor `json:"cursor"`
		Heartbeat int    `json:"heartbeat"`
		MaxAge    int    `json:"maxAge"`
	}{at, seconds(heartbeat), seconds(maxAge)})
}

// Gap tells a reader that exact resume was impossible, and where it goes on.
func Gap(gap *GapError) []byte {
	return control(GapName, gap.Resumed, 0, struct {
		Reason  GapReason `json:"reason"`
		From    Cursor    `json:"from"`
		Resumed Cursor    `json:"resumed"`
	}{gap.Reason, gap.From, gap.Resumed})
}

// Checkpoint moves a quiet reader's cursor on.
func Checkpoint(at Cursor) []byte {
	return control(CheckpointName, at, 0, struct {
		Cursor Cursor `json:"cursor"`
	}{at})
}

// Expiring warns that the token ends in a while, and the stream with it.
func Expiring(at Cursor, left time.Duration) []byte {
	return control(ExpiringName, at, 0, struct {
		Seconds int `json:"seconds"`
	}{seconds(left)})
}

// Bye is the last block of a stream. The retry spreads the returning readers.
func Bye(at Cursor, reason End, retry time.Duration) []byte {
	return control(ByeName, at, retry, struct {
		Reason End `json:"reason"`
	}{reason})
}

// control encodes a control event, led by a retry field when there is one. It has no
// topic; a zero cursor leaves the id out.
func control(name Name, at Cursor, retry time.Duration, data any) []byte {
	var b []byte
	if retry > 0 {
		b = appendField(b, "retry", strconv.FormatInt(retry.Milliseconds(), 10))
	}
	return appendBlock(b, Event{Name: name, Cursor: at}, MustData(data).json)
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }
