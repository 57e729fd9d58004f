package store

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config sets a [Store].
type Config struct {
	// URL is the database, as a libpq URL or keyword string. Required. Unless it
	// says otherwise, only a server that takes writes will do.
	URL string
	// ListenURL is the database for the LISTEN connection, for when URL leads to a
	// pooler that cannot LISTEN. Default: URL.
	ListenURL string
	// AutoPosts creates an unknown post with its first comment or like. When off,
	// they are ErrNotFound. SQL clients always create them.
	AutoPosts bool
	// GroupCommit commits comments, likes, unlikes and published events together while Run runs. When
	// off, each has a transaction of its own.
	GroupCommit bool
	// Logger reports what an operator should know. Default: discard.
	Logger *slog.Logger
}

const (
	// connectTimeout bounds the making of one connection.
	connectTimeout = 10 * time.Second
	// pingTimeout bounds the look at an idle connection before it is used again, and
	// readTimeout a read, because not every caller has a deadline: on a network that
	// swallows packets they would wait for as long as TCP does, a quarter of an hour.
	pingTimeout = 5 * time.Second
	readTimeout = 10 * time.Second
	// logConns are for the reads of the log: what follows it, and one for those behind.
	logConns = 2
)

// A Store is the database of one instance.
type Store struct {
	pool      *pgxpool.Pool
	log       *pgxpool.Pool // reads the log, so that nothing else keeps it waiting
	listen    *pgx.ConnConfig
	autoPosts bool
	patient   chan struct{} // holds a token for each connection that may wait for rows for long
	group     *group        // nil when each write is committed alone
	logger    *slog.Logger
}

// Open prepares the pools. It connects when first used, so it fails on a malformed
// URL alone.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	configure(pool.ConnConfig, "tidings")
	pool.PingTimeout = cmp.Or(pool.PingTimeout, pingTimeout)
	if cfg.ListenURL == "" {
		cfg.ListenURL = cfg.URL
	}
	listen, err := pgx.ParseConfig(cfg.ListenURL)
	if err != nil {
		return nil, fmt.Errorf("parse LISTEN URL: %w", err)
	}
	configure(listen, "tidings listen")
	s := &Store{
		listen: listen, autoPosts: cfg.AutoPosts, logger: cfg.Logger,
		patient: make(chan struct{}, max(1, pool.MaxConns/2)),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.pool, err = pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	log := pool.Copy()
	log.MinConns, log.MinIdleConns, log.MaxConns = 0, 0, logConns
	configure(log.ConnConfig, "tidings log")
	if s.log, err = pgxpool.NewWithConfig(ctx, log); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open pool for the log: %w", err)
	}
	if cfg.GroupCommit {
		s.group = newGroup(s)
	}
	return s, nil
}

// Run commits the groups until ctx ends, then returns nil: nothing is written after
// that. Without group commit it just waits.
func (s *Store) Run(ctx context.Context) error {
	if s.group == nil {
		<-ctx.Done()
		return nil
	}
	return s.group.run(ctx)
}

func configure(cfg *pgx.ConnConfig, name string) {
	cfg.RuntimeParams["application_name"] = name
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ValidateConnect == nil { // a standby neither writes nor notifies
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// Close waits for running statements and closes the pools.
func (s *Store) Close() {
	s.pool.Close()
	s.log.Close()
}

// Ping proves that a statement runs.
func (s *Store) Ping(ctx context.Context) error {
	return translate(s.pool.Ping(ctx))
}

// write runs fn in a transaction of READ COMMITTED, whatever the database's default:
// a writer with an older snapshot could not number its events. It waits for rows no
// longer than longLockTimeout, then ErrBusy is returned.
func (s *Store) write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return translate(pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: beginWrite}, fn))
}

// writeHeld is write for rows that anybody may hold. It leaves the other half of the pool
// to those who wait for nobody, and returns ErrBusy when its own stays taken.
func (s *Store) writeHeld(ctx context.Context, fn func(tx pgx.Tx) error) error {
	patience := time.NewTimer(longLockTimeout)
	defer patience.Stop()
	select {
	case s.patient <- struct{}{}:
		defer func() { <-s.patient }()
		return s.write(ctx, fn)
	case <-patience.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginWrite bounds the waits for rows; the log's turn is waited for as before.
var beginWrite = fmt.Sprintf(`
	begin isolation level read committed read write;
	select
		set_config('tidings.turn_timeout', current_setting('lock_timeout'), true),
		set_config('lock_timeout', '%d', true)`, longLockTimeout.Milliseconds())

// read runs queries in one snapshot and one round trip. Each query brings the
// function that takes its rows. A plan may be kept that was made when a table was empty,
// so none may read a table whole: each part of a query needs an index to go by.
func (s *Store) read(ctx context.Context, queries ...query) error {
	return readFrom(ctx, s.pool, queries...)
}

func readFrom(ctx context.Context, pool *pgxpool.Pool, queries ...query) error {
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue("set local enable_seqscan = off")
	for _, q := range queries {
		batch.Queue(q.sql, q.args...).Query(q.take)
	}
	batch.Queue("commit")
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return translate(pool.SendBatch(ctx, batch).Close())
}

type query struct {
	sql  string
	args []any
	take func(pgx.Rows) error
}

// one is a query with one row, scanned into dst.
func one(dst []any, sql string, args ...any) query {
	return query{sql, args, func(rows pgx.Rows) error {
		if !rows.Next() {
			return cmp.Or(rows.Err(), pgx.ErrNoRows)
		}
		return rows.Scan(dst...)
	}}
}
