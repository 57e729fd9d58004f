package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The role may have fewer connections than the pools and the listener ask for. The pool of
// requests keeps the connections that it has, so the reads of the log and the listener use
// them. Four connections are enough: one for requests, logConns and one that listens.

// onLog calls do with the pool of the log. If that has no connection and cannot open one,
// onLog calls do again with the pool of requests.
func (s *Store) onLog(do func(pool *pgxpool.Pool) error) error {
	err := do(s.log)
	if errors.Is(err, ErrNoConnection) {
		return do(s.pool)
	}
	return err
}

// readLog is read with the pool of the log.
func (s *Store) readLog(ctx context.Context, queries ...readQuery) error {
	return s.onLog(func(pool *pgxpool.Pool) error { return s.readFrom(ctx, pool, queries...) })
}

// connectListener connects to the address for LISTEN. If all connections of the role are in
// use, it takes one from the pool of requests, which has the same session settings.
func (s *Store) connectListener(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.listen)
	if s.pooled || !errors.Is(translate(err), ErrNoConnection) {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	taken, acquireErr := s.pool.Acquire(ctx)
	if acquireErr != nil {
		return nil, err
	}
	conn = taken.Hijack()
	if _, err := conn.Exec(ctx, `set application_name = 'tidings listen'`); err != nil {
		return nil, errors.Join(fmt.Errorf("name the session: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

// notify sends a notification that may be lost in a crash. The commit does not wait for the
// disk, because it holds a lock that all commits with a NOTIFY need.
func (s *Store) notify(ctx context.Context, channel, payload string) error {
	return s.onLog(func(pool *pgxpool.Pool) error {
		return translate(retry(ctx, pool, func() error {
			_, err := pool.Exec(ctx, `
				select pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify($1, $2)`,
				channel, payload)
			return err
		}))
	})
}
