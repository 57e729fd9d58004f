package group

import "time"

const (
	// quarantineTime is how long a source stays in quarantine after a refused write.
	quarantineTime = 10 * time.Second
	// quarantineMost bounds the sources in quarantine. Further ones are not added.
	quarantineMost = 10_000
)

// A quarantine has the sources of recently refused writes, each with the time at which its
// quarantine ends. Writes of these sources get solo transactions.
type quarantine map[string]time.Time

// add puts a source into quarantine, or keeps it there for longer.
func (q quarantine) add(source string, now time.Time) {
	if len(q) >= quarantineMost {
		q.removeExpired(now)
	}
	if len(q) < quarantineMost {
		q[source] = now.Add(quarantineTime)
	}
}

// has reports whether a source is in quarantine.
func (q quarantine) has(source string, now time.Time) bool {
	return now.Before(q[source]) // the zero time of an unknown source is in the past
}

func (q quarantine) removeExpired(now time.Time) {
	for source, until := range q {
		if !now.Before(until) {
			delete(q, source)
		}
	}
}
