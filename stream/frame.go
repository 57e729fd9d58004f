package stream

import "sync/atomic"

// A Frame is an event and its bytes on the wire. It is encoded once and shared by all
// readers, which must not change it. Only a [textIndex] changes the content of a frame, when the
// comment that the event is about is edited or removed. The field Data of the Event is
// empty; the method Data returns the data.
type Frame struct {
	Event
	content    atomic.Pointer[content]
	size       int          // of the first content on the wire; backlogs and chunks count it
	counted    int          // memory that the ring has counted for it; the lock of the hub guards it
	conflation conflation   // target of the event; zero: the frame is never left out
	superseded atomic.Int64 // position of the next frame with this target; 0: none yet
}

// A content is what a frame says.
type content struct {
	data Data
	sse  []byte // the block with the data
	asOf int64  // the head of the log when the data was read
	// later is a frame with a newer text of the comment. The first use of the content takes the
	// text, and makes sse: a comment that is edited often would be encoded for each frame and edit.
	later *Frame
}

// NewFrame encodes an event.
func NewFrame(e Event) *Frame { return newFrame(e, 0) }

// newFrame encodes an event whose data was read when the log had the head asOf.
func newFrame(e Event, asOf int64) *Frame {
	f := &Frame{Event: e, conflation: conflationOf(e)}
	f.Event.Data = Data{}
	f.setContent(e.Data, asOf)
	f.size = len(f.SSE())
	return f
}

func (f *Frame) setContent(d Data, asOf int64) {
	block := make([]byte, 0, len(d.json)+len(f.Name.text)+len(f.Topic.text)+maxFieldBytes)
	f.content.Store(&content{data: d, sse: appendBlock(block, f.Event, d.json), asOf: asOf})
}

// now returns the content, with the text of later.
func (f *Frame) now() *content {
	c := f.content.Load()
	if c.later == nil {
		return c
	}
	d := withText(f.Name, c.data, c.later.comment())
	block := make([]byte, 0, len(d.json)+len(f.Name.text)+len(f.Topic.text)+maxFieldBytes)
	next := &content{data: d, sse: appendBlock(block, f.Event, d.json), asOf: c.asOf}
	if f.content.CompareAndSwap(c, next) {
		return next
	}
	return f.now() // another goroutine was first, or the text has changed again
}

// frameOverhead is the memory of a frame besides its bytes: the frame and its content, its
// place in the ring, and its entries in [textIndex] and [latest].
const frameOverhead = 448

// memory is how many bytes of memory the frame takes now. The data is in memory twice: as a
// value, and in the block. A text that the frame has not taken yet counts, too.
func (f *Frame) memory() int {
	c := f.content.Load()
	size := frameOverhead + len(c.data.json) + cap(c.sse) + len(f.Topic.text) + 2*len(f.conflation.target)
	if c.later != nil {
		size += c.later.memory()
	}
	return size
}

// Data is the data of the event. Of an event about a comment it has the text that the
// comment has now, or no text if the comment was removed.
func (f *Frame) Data() Data { return f.now().data }

// SSE is one block of an event stream (HTML standard, section 9.2.6): the fields event,
// topic, data and id in this order, each once, with "\n" after each and after the block.
// EventSource ignores the field topic. An ephemeral event has no id.
func (f *Frame) SSE() []byte { return f.now().sse }

// appendEnveloped appends the block with the topic inside the data,
// {"topic":…,"data":…}, for an EventSource that reads several topics.
func (f *Frame) appendEnveloped(b []byte) []byte {
	b = appendHead(b, f.Event)
	b = append(b, `{"topic":"`...)
	b = append(b, f.Topic.text...) // a topic has no character that JSON escapes
	b = append(b, `","data":`...)
	b = append(b, f.Data().json...)
	b = append(b, '}')
	return appendEnd(b, f.Event)
}

// maxFieldBytes is what the names, the ends of lines and the id add to a block at most.
const maxFieldBytes = 72

func appendBlock(b []byte, e Event, data []byte) []byte {
	return appendEnd(append(appendHead(b, e), data...), e)
}

// appendHead appends the part of a block before its data.
func appendHead(b []byte, e Event) []byte {
	b = appendField(b, "event", e.Name.text)
	if e.Topic.text != "" {
		b = appendField(b, "topic", e.Topic.text)
	}
	return append(b, "data: "...)
}

// appendEnd appends the part of a block after its data.
func appendEnd(b []byte, e Event) []byte {
	b = append(b, '\n')
	if !e.Ephemeral() {
		b = append(b, "id: "...)
		b = e.Cursor.Append(b)
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
