package api

import (
	"math/rand/v2"
	"time"
)

const (
	// expiryWarning is how long before the token's end the client is warned.
	expiryWarning = 30 * time.Second
	// checkpointEvery is how far a quiet reader's cursor may lag behind, in time;
	// the first comes soon after a replay.
	checkpointEvery = 3 * time.Minute
	checkpointFirst = time.Second
)

// A lifetime holds the timers of one stream: heartbeats, checkpoints, and the two
// ends that every stream has, its age and its token's.
type lifetime struct {
	interval time.Duration // between heartbeats
	maxAge   time.Duration // 0 when the stream has no age, only a token

	beat       time.Time // zero times are never due
	checkpoint time.Time
	warning    time.Time
	expires    time.Time
	age        time.Time
}

func (s *Server) newLifetime(r reading) lifetime {
	now := time.Now()
	l := lifetime{interval: s.heartbeat, checkpoint: now.Add(checkpointFirst)}
	l.wrote(now)
	if !r.who.anonymous() {
		l.expires = r.who.Expires
		if warning := l.expires.Add(-expiryWarning); warning.After(now) {
			l.warning = warning
		}
	}
	// A ticket is used up: its stream cannot simply be opened again, so it lasts as
	// long as the token. Others end a little before their age, each at its own time.
	if !r.ticket {
		l.maxAge = s.maxAge
		l.age = now.Add(l.maxAge - rand.N(l.maxAge/5))
	}
	return l
}

// wrote postpones the heartbeat: any write is one. A tenth of the interval is
// random, so that streams opened together don't beat together.
func (l *lifetime) wrote(now time.Time) {
	l.beat = now.Add(l.interval - rand.N(l.interval/10))
}

type due int

const (
	dueNothing due = iota
	dueExpiry
	dueAge
	dueWarning
	dueCheckpoint
	dueHeartbeat
)

// due returns what is due now, the weightiest first, and takes note that it is done.
func (l *lifetime) due(now time.Time) due {
	switch {
	case past(l.expires, now):
		return dueExpiry
	case past(l.age, now):
		return dueAge
	case past(l.warning, now):
		l.warning = time.Time{}
		return dueWarning
	case past(l.checkpoint, now):
		l.checkpoint = now.Add(checkpointEvery)
		return dueCheckpoint
	case past(l.beat, now):
		return dueHeartbeat
	}
	return dueNothing
}

func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// next is when something is due again.
func (l *lifetime) next() time.Time {
	next := l.beat
	for _, t := range []time.Time{l.checkpoint, l.warning, l.expires, l.age} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}
