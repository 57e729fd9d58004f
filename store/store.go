package store

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/session"
	"github.com/tidings-live/tidings/stream/faults"
)

// Config sets a [Store].
type Config struct {
	// URL is the database, as a libpq URL or keyword string. Required. Unless it sets
	// target_session_attrs, only a primary is used.
	URL string
	// ListenURL is the database for the LISTEN connection. It is needed if URL is the
	// address of a pooler that does not support LISTEN. Default: URL. URL also counts as
	// the address of a pooler if it sets default_query_exec_mode to another value than
	// cache_statement.
	ListenURL string
	// AutoPosts creates an unknown post with its first comment or like. When off, such
	// a comment or like is ErrNotFound. SQL clients always create unknown posts.
	AutoPosts bool
	// GroupCommit commits comments, likes, unlikes and published events in groups while
	// Run runs (package group). When off, each has a transaction of its own.
	GroupCommit bool
	// HTML returns the HTML of the text of a comment, which answers and events have next to
	// the text. It is called once for each event and each comment of a list, by several
	// goroutines at a time. Default: no HTML.
	HTML func(text string) string
	// Logger gets messages for the operator. Default: discard.
	Logger *slog.Logger
}

const (
	// pingTimeout bounds the check of a connection that was idle before its next use,
	// if the URL sets none.
	pingTimeout = 5 * time.Second
	// logConns is the size of the pool that reads the log: one connection for the hub's
	// newest events, and one for readers that are behind.
	logConns = 2
)

// A Store is the database of one instance.
type Store struct {
	pool      *pgxpool.Pool
	log       *pgxpool.Pool // reads the log, so that no request can delay readers
	pooled    bool          // URL leads to a pooler: session settings are made in each transaction
	listen    *pgx.ConnConfig
	committer committer
	health    writeHealth
	claims    *claims
	unread    unreadable
	group     *group.Group // nil when each write has a transaction of its own
	slots     group.Slots  // of transactions that are not of groups
	retention *faults.Work // deleting old rows
	html      toHTML
	logger    *slog.Logger
}

// Open prepares the pools. They connect when first used, so Open fails only for a
// malformed URL.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	pooled := cfg.ListenURL != "" || pool.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
	configure(pool, pooled, "tidings")
	pool.PingTimeout = cmp.Or(pool.PingTimeout, pingTimeout)
	listen, err := session.ParseConfig(cmp.Or(cfg.ListenURL, cfg.URL))
	if err != nil {
		return nil, fmt.Errorf("parse LISTEN URL: %w", err)
	}
	session.Pin(listen, "tidings listen")
	s := &Store{
		pooled: pooled,
		claims: &claims{claims: make(map[group.Key]*claim)},
		listen: listen,
		slots:  group.NewSlots(int(max(1, pool.MaxConns/2))),
		html:   cfg.HTML,
		logger: cfg.Logger,
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.retention = faults.New(s.logger, "not all old rows were deleted", "old rows are deleted again")
	s.pool, err = pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	log := pool.Copy()
	log.MinConns, log.MinIdleConns, log.MaxConns = 0, 0, logConns
	configure(log, pooled, "tidings log")
	if s.log, err = pgxpool.NewWithConfig(ctx, log); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open pool for the log: %w", err)
	}
	s.committer = committer{s.pool, pooled, &s.health, s.claims, new(siteTriggers), cfg.AutoPosts}
	if cfg.GroupCommit {
		s.group = group.New(s.committer, s.slots)
	}
	return s, nil
}

// configure makes the sessions of a pool independent of the site's settings. A session
// that a trigger of the site has changed is closed instead of used again.
func configure(cfg *pgxpool.Config, pooled bool, name string) {
	if pooled {
		session.PinPooled(cfg.ConnConfig, name)
	} else {
		session.Pin(cfg.ConnConfig, name)
	}
	cfg.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) { return session.Clean(conn.PgConn()), nil }
}

// Run commits the groups until ctx ends, then returns nil. Afterwards every write that
// group commit would make returns ErrUnavailable. Without group commit Run only waits.
func (s *Store) Run(ctx context.Context) error {
	if s.group == nil {
		<-ctx.Done()
		return nil
	}
	return s.group.Run(ctx)
}

// Close waits for running statements and closes the pools.
func (s *Store) Close() {
	s.pool.Close()
	s.log.Close()
}

// Ping runs an empty statement. It returns ErrUnavailable when the database does not
// answer.
func (s *Store) Ping(ctx context.Context) error {
	return translate(retry(ctx, s.pool, func() error { return s.pool.Ping(ctx) }))
}
