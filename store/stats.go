package store

import (
	"context"
	"errors"
	"time"

	"github.com/tidings-live/tidings/store/group"
)

// ListenerStats describe the LISTEN connection of a [Listener].
type ListenerStats struct {
	Connected bool          // a connection listens now
	LastProof time.Time     // when the last probe arrived on this connection; zero before the first
	RoundTrip time.Duration // time from sending that probe to its arrival
	Connects  int64         // connections that have listened
	Deaf      int64         // connections that were open but received nothing
	PID       uint32        // process id of the session that listens; 0 while none does
	Failures  int64         // attempts to connect that failed, and connections that were lost
}

// note counts a connection that listens (err is nil) or has ended.
func (s *ListenerStats) note(err error) {
	s.Connected = err == nil
	s.LastProof = time.Time{} // the probe arrived on the previous connection
	switch {
	case err == nil:
		s.Connects++
	case errors.Is(err, errDeaf):
		s.Deaf++
	}
}

// Stats returns the current figures.
func (l *Listener) Stats() ListenerStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Failures = l.faults.Failures()
	return s
}

// RetentionFailures returns how often old rows could not be deleted.
func (s *Store) RetentionFailures() int64 { return s.retention.Failures() }

// PoolStats describe the pool of connections that requests use. The few connections
// that read the log are not in it.
type PoolStats struct {
	Acquired int           // connections in use
	Idle     int           // open connections that nothing uses
	Max      int           // largest number of connections that the pool may open
	Waits    int64         // acquisitions that had to wait for a connection
	WaitTime time.Duration // total time spent in acquisitions
}

// PoolStats returns the current figures.
func (s *Store) PoolStats() PoolStats {
	p := s.pool.Stat()
	return PoolStats{
		Acquired: int(p.AcquiredConns()),
		Idle:     int(p.IdleConns()),
		Max:      int(p.MaxConns()),
		Waits:    p.EmptyAcquireCount(),
		WaitTime: p.AcquireDuration(),
	}
}

// NotifyQueue returns how full Postgres's queue of notifications is, from 0 to 1. At 1
// every commit that notifies fails. The queue fills up when a session that listens
// keeps a transaction open.
func (s *Store) NotifyQueue(ctx context.Context) (float64, error) {
	var full float64
	err := s.pool.QueryRow(ctx, `select pg_catalog.pg_notification_queue_usage()`).Scan(&full)
	return full, translate(err)
}

// GroupStats returns the current figures of group commit. All are 0 without it.
func (s *Store) GroupStats() group.Stats {
	if s.group == nil {
		return group.Stats{}
	}
	return s.group.Stats()
}
