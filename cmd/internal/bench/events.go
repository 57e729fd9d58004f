package bench

import "github.com/tidings-live/tidings/api/client/sse"

// maxEvent is the size in bytes of the largest event that a reader accepts.
const maxEvent = 1 << 20

// An eventFeeder parses the event stream of a reader.
type eventFeeder struct {
	reader *reader
	parser *sse.Parser
}

// newEventFeeder returns a feeder at the beginning of a stream.
func newEventFeeder(r *reader) *eventFeeder {
	return &eventFeeder{r, sse.NewParser(maxEvent)}
}

// feed implements [feeder]. It never replies.
func (f *eventFeeder) feed(piece []byte) ([]byte, error) {
	f.parser.Feed(piece)
	for ev, ok := f.parser.Next(); ok; ev, ok = f.parser.Next() {
		f.reader.event(ev)
	}
	if id, ok := f.parser.LastID(); ok {
		f.reader.setCursor(id)
	}
	return nil, f.parser.Err()
}

// event counts an event if it is one that the reader waits for.
func (r *reader) event(ev sse.Event) {
	if r.paces != nil {
		r.paceLock.Lock()
		defer r.paceLock.Unlock()
		r.paces.take(string(ev.Name), len(ev.Data), r.now())
		return
	}
	switch string(ev.Name) {
	case r.counted:
		if m, ok := findMark(ev.Data); ok {
			r.take(m, ev.ID)
		}
	case "stream.ready":
		r.ready()
	}
}
