package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ListenerStats say how a [Listener] fares.
type ListenerStats struct {
	Connected bool
	LastProof time.Time     // when a probe last came back through this connection; zero before the first
	RoundTrip time.Duration // of that probe
	Connects  int64         // connections that began to listen
	Deaf      int64         // connections that were there and heard nothing
}

// note takes in what became of the connection.
func (s *ListenerStats) note(err error) {
	s.Connected = err == nil
	s.LastProof = time.Time{} // it was another connection's
	switch {
	case err == nil:
		s.Connects++
	case errors.Is(err, errDeaf):
		s.Deaf++
	}
}

// Stats may be called at any time.
func (l *Listener) Stats() ListenerStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// PoolStats are those of the pool of connections, without the few that read the log.
func (s *Store) PoolStats() *pgxpool.Stat { return s.pool.Stat() }

// NotifyQueue is how full Postgres's queue of notifications is, from 0 to 1. At 1
// every commit that notifies fails: some session listens in a transaction that
// doesn't end.
func (s *Store) NotifyQueue(ctx context.Context) (float64, error) {
	var full float64
	err := s.pool.QueryRow(ctx, `select pg_notification_queue_usage()`).Scan(&full)
	return full, translate(err)
}

// GroupStats say how group commit fares; all are 0 without it.
type GroupStats struct {
	Waiting      int   // writes in the queue
	Transactions int64 // committed by the group
	Writes       int64 // in these
	Apart        int64 // writes that went down the slow lane
}

// GroupStats may be called at any time.
func (s *Store) GroupStats() GroupStats {
	g := s.group
	if g == nil {
		return GroupStats{}
	}
	return GroupStats{len(g.queue), g.transactions.Load(), g.writes.Load(), g.apart.Load()}
}
