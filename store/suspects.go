package store

import "time"

const (
	// suspicion is how long somebody is suspect.
	suspicion = 10 * time.Second
	// suspectsMost bounds how many are remembered.
	suspectsMost = 10_000
)

// Suspects are the users, and topics of published events, of whom the database refused
// a write lately, and until when that counts. Somebody who is refused again and again
// would have every group that he is in made anew, in parts.
type suspects map[string]time.Time

// note takes down those who were refused.
func (s suspects) note(now time.Time, writes ...*write) {
	for _, w := range writes {
		if !w.refused {
			continue
		}
		if len(s) >= suspectsMost {
			s.forget(now)
		}
		if len(s) < suspectsMost {
			s[w.suspect()] = now.Add(suspicion)
		}
	}
}

// forget removes those whose time is over.
func (s suspects) forget(now time.Time) {
	for who, until := range s {
		if !now.Before(until) {
			delete(s, who)
		}
	}
}

// has reports whether the write is a suspect's.
func (s suspects) has(w *write, now time.Time) bool {
	if len(s) == 0 {
		return false
	}
	who := w.suspect()
	until, known := s[who]
	if known && !now.Before(until) {
		delete(s, who)
		return false
	}
	return known
}

// suspect is who is suspect when the database refuses the write.
func (w *write) suspect() string {
	if w.event != nil {
		return "topic:" + w.event.topic
	}
	return "user:" + w.user.ID
}
