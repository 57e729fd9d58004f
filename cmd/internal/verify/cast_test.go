package verify

import (
	"slices"
	"testing"
	"time"
)

// What nobody read could not be found to be lost.
func TestEveryTopicOfACastIsRead(t *testing.T) {
	t.Parallel()
	for readers := 1; readers < 30; readers++ {
		c := newCast("a secret", time.Hour, readers)
		var read []string
		for i := range readers {
			_, topics, asked := c.part(i)
			read = append(read, topics...)
			slices.Sort(topics)
			if once := len(slices.Compact(slices.Clone(topics))); once != len(asked) {
				t.Errorf("reader %d of %d asks for %v", i, readers, asked)
			}
		}
		for _, topic := range c.topics() {
			if !slices.Contains(read, topic) {
				t.Errorf("of %d readers, nobody reads %s", readers, topic)
			}
		}
	}
}
