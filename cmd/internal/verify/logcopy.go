package verify

import (
	"cmp"
	"slices"
)

// A logEvent is one event of the log, reduced to what is compared.
type logEvent struct {
	position int64
	key      uint64
	digest   uint64
	text     text
	n        int64
	latest   bool
}

// A countAt is the count in a latest-only event.
type countAt struct{ position, count int64 }

// A logCopy has the events of the topics of a run in the order of the log. It is the
// reference that readers are compared with. It belongs to the goroutine of the checker.
type logCopy struct {
	topics  map[string][]logEvent
	counts  map[uint64][]countAt // of all latest-only events, by key, in the order of the log
	bases   map[uint64]countAt   // counts that a list said when the readers had started
	ends    map[string]int64     // position of the first verify.end of each topic
	through int64                // the copy is complete up to this position
	rows    int64                // number of events ever added
}

func newLogCopy() *logCopy {
	return &logCopy{topics: make(map[string][]logEvent), counts: make(map[uint64][]countAt), bases: make(map[uint64]countAt), ends: make(map[string]int64)}
}

// add appends an event. Its position must be above all earlier ones of the topic.
func (c *logCopy) add(position int64, s summary) {
	c.topics[s.topic] = append(c.topics[s.topic], logEvent{position, s.key, s.digest, s.text, s.n, s.latest})
	c.rows++
	if s.latest {
		c.counts[s.key] = append(c.counts[s.key], countAt{position, s.count})
	}
	if _, ended := c.ends[s.topic]; !ended && s.name == nameEnd {
		c.ends[s.topic] = position
	}
}

// countAt is the count in the last event with the key up to the position, or the base of the
// key if that is newer. It is 0 if there is neither.
func (c *logCopy) countAt(key uint64, position int64) int64 {
	counts, base := c.counts[key], c.bases[key]
	i, _ := slices.BinarySearchFunc(counts, position+1, func(e countAt, p int64) int { return cmp.Compare(e.position, p) })
	if i == 0 || counts[i-1].position < base.position {
		return base.count
	}
	return counts[i-1].count
}

// end is the position that each reader of the topic must have reached at the end of
// the run: that of the first verify.end or, if there is none, of the whole copy.
func (c *logCopy) end(topic string) int64 {
	if position, ok := c.ends[topic]; ok {
		return position
	}
	return c.through
}

// hasCountAfter reports whether the copy has an event with the key above the position.
func (c *logCopy) hasCountAfter(key uint64, position int64) bool {
	counts := c.counts[key]
	return len(counts) > 0 && counts[len(counts)-1].position > position
}

// lastOf is the position of the last event of the topic, or 0. Events that were discarded
// do not count.
func (c *logCopy) lastOf(topic string) int64 {
	events := c.topics[topic]
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].position
}

// find returns the event of the topic at the position.
func (c *logCopy) find(topic string, position int64) (logEvent, bool) {
	events := c.topics[topic]
	i, ok := search(events, position)
	if !ok {
		return logEvent{}, false
	}
	return events[i], true
}

// between returns the events of the topic above one position, up to and including
// another. The caller must not change them.
func (c *logCopy) between(topic string, after, through int64) []logEvent {
	if through <= after {
		return nil
	}
	events := c.topics[topic]
	first, _ := search(events, after+1)
	end, _ := search(events, through+1)
	return events[first:end]
}

// discard frees the memory of events up to the position, which all readers have
// passed. Some of the events may stay.
func (c *logCopy) discard(position int64) {
	for topic, events := range c.topics {
		i, _ := search(events, position+1)
		if i > len(events)/2 { // copying a longer rest costs more than it saves
			c.topics[topic] = slices.Clone(events[i:])
		}
	}
}

func search(events []logEvent, position int64) (int, bool) {
	return slices.BinarySearchFunc(events, position, func(e logEvent, p int64) int { return cmp.Compare(e.position, p) })
}
