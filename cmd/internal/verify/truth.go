package verify

import (
	"cmp"
	"slices"
)

// A row is one event of the log, as far as it is compared.
type row struct {
	position int64
	key      uint64
	digest   uint64
	n        int64
	latest   bool
}

// A truth is what the log holds of the topics of a run, in order. It belongs to one
// goroutine.
type truth struct {
	topics  map[string][]row
	newest  map[uint64]fact  // of each key of latest-only facts
	ends    map[string]int64 // positions of the topics' first closing events
	through int64            // everything up to here is known
	rows    int64            // all that ever were
}

func newTruth() *truth {
	return &truth{topics: make(map[string][]row), newest: make(map[uint64]fact), ends: make(map[string]int64)}
}

// add appends an event; positions of a topic ascend.
func (t *truth) add(position int64, f fact) {
	t.topics[f.topic] = append(t.topics[f.topic], row{position, f.key, f.digest, f.n, f.latest})
	t.rows++
	if f.latest {
		t.newest[f.key] = f
	}
	if _, ended := t.ends[f.topic]; !ended && f.name == nameEnd {
		t.ends[f.topic] = position
	}
}

// end is how far a reader of the topic must have come: to its first closing event or,
// when there is none, to all that is known.
func (t *truth) end(topic string) int64 {
	if position, ok := t.ends[topic]; ok {
		return position
	}
	return t.through
}

// find returns the event of the topic at the position.
func (t *truth) find(topic string, position int64) (row, bool) {
	rows := t.topics[topic]
	i, ok := search(rows, position)
	if !ok {
		return row{}, false
	}
	return rows[i], true
}

// between returns the topic's events after one position, up to another.
func (t *truth) between(topic string, after, through int64) []row {
	if through <= after {
		return nil
	}
	rows := t.topics[topic]
	first, _ := search(rows, after+1)
	end, _ := search(rows, through+1)
	return rows[first:end]
}

// forget drops what lies at or before the position: no judge will ask for it again.
func (t *truth) forget(position int64) {
	for topic, rows := range t.topics {
		i, _ := search(rows, position+1)
		if i > len(rows)/2 { // else copying costs more than it saves
			t.topics[topic] = slices.Clone(rows[i:])
		}
	}
}

func search(rows []row, position int64) (int, bool) {
	return slices.BinarySearchFunc(rows, position, func(r row, p int64) int { return cmp.Compare(r.position, p) })
}
