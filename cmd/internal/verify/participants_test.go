package verify

import (
	"slices"
	"testing"
	"time"
)

// A lost event of a topic that no reader reads could not be found.
func TestParticipants_HaveAReaderForEachTopic(t *testing.T) {
	t.Parallel()
	for readers := 1; readers < 30; readers++ {
		p := newParticipants("a secret", time.Hour, readers)
		var read []string
		for i := range readers {
			_, topics, requested := p.reader(i)
			read = append(read, topics...)
			slices.Sort(topics)
			if once := len(slices.Compact(slices.Clone(topics))); once != len(requested) {
				t.Errorf("reader %d of %d requests %v", i, readers, requested)
			}
		}
		for _, topic := range p.topics() {
			if !slices.Contains(read, topic) {
				t.Errorf("none of %d readers reads %s", readers, topic)
			}
		}
	}
}
