package verify

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream"
)

// take records an event or the meaning of a control event.
func (r *reader) take(e client.Event) {
	switch {
	case e.Name == "stream.gap":
		var gap struct{ Reason, From, Resumed string }
		_ = json.Unmarshal(e.Data, &gap) // if it is unreadable, the gap has no reason and is needless
		r.gap(gap.From, e.ID, gap.Reason)
	case e.Name == "stream.ready" && r.cursor == "":
		r.record(step{kind: started}, e.ID)
	case strings.HasPrefix(e.Name, "stream."):
		if e.ID != "" {
			r.record(step{kind: advanced}, e.ID)
		}
	default:
		r.event(e)
	}
}

// event records one event. An event without an id is not in the log and may be lost:
// it is recorded only if its topic is not one of the reader's, which is a leak.
func (r *reader) event(e client.Event) {
	r.progress.events.Add(1)
	s := summarize(e.Topic, e.Name, e.Data)
	if e.ID == "" {
		if !slices.Contains(r.topics, e.Topic) {
			r.trace.add(step{kind: received, event: s, at: r.now()})
		}
		return
	}
	r.record(step{kind: received, event: s}, e.ID)
	r.show(e)
	if e.Name == nameEnd {
		r.ended[e.Topic] = true
	}
}

// show applies an event to the page and the notifications of the reader.
func (r *reader) show(e client.Event) {
	var err, unreadable error
	if r.model != nil {
		err = r.model.Apply(e)
	}
	if r.inbox != nil {
		unreadable = r.inbox.Apply(e)
	}
	if err := cmp.Or(err, unreadable); err != nil {
		r.findings.add(invented, 1, "%s: %v", r.name, err)
	}
}

// gap records an announced gap. If the server names no beginning, the gap begins at
// the reader's cursor.
func (r *reader) gap(from, resumed, reason string) {
	r.progress.gaps.Add(1)
	r.gaps.Add(1)
	begin, err := stream.ParseCursor(from)
	if err != nil {
		begin, _ = stream.ParseCursor(r.cursor)
	}
	r.record(step{kind: gapAnnounced, from: begin, reason: reason}, resumed)
	r.cursor, r.model, r.inbox = resumed, nil, nil
}

// record adds a step that ends at the cursor. A malformed cursor is recorded as an
// event that the log does not have, which is a fault.
func (r *reader) record(s step, cursor string) {
	var err error
	if s.cursor, err = stream.ParseCursor(cursor); err != nil {
		s = step{kind: received, event: summary{topic: r.topics[0], name: "malformed cursor " + cursor}}
	}
	s.at, s.since = r.now(), r.since
	r.heard = s.at
	r.trace.add(s)
	if s.kind == started {
		r.started()
	}
}
