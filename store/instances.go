package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// An Instance is a server that listens to the database.
type Instance struct {
	PID     uint32    // of its session that listens, see ListenerStats
	Address string    // of its machine, as Postgres sees it; "" for a local socket or if the role may not see it
	Since   time.Time // when it connected; zero if the role may not see it
}

// instancesMost bounds the instances that Instances returns.
const instancesMost = 100

// Instances returns the instances that listen to the database now, the oldest first, at most
// 100. They are found by the names of their sessions, which Postgres shows only to roles that
// are members of the role of the session.
func (s *Store) Instances(ctx context.Context) ([]Instance, error) {
	rows, err := s.pool.Query(ctx, `
		select pid, coalesce(host(client_addr), ''), backend_start
		from pg_catalog.pg_stat_activity
		where datname = current_database() and application_name = 'tidings listen'
		order by backend_start, pid
		limit $1`, instancesMost)
	if err != nil {
		return nil, translate(err)
	}
	instances, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i Instance, err error) {
		err = row.Scan(&i.PID, &i.Address, (*optionalTime)(&i.Since))
		return i, err
	})
	return instances, translate(err)
}
