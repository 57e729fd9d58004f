package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// ErrRunning means that a server runs in the directory already. Stop that one, or
// use another directory.
var ErrRunning = errors.New("a server is already running there")

// role is the superuser that initdb makes. All clients connect as this role.
const role = "tidings"

// Config says where a server lives and how it is tuned.
type Config struct {
	// Dir holds data/, run/ (the Unix socket), postgres.log and lock, and must hold
	// nothing else. Start creates it if it is missing. It is kept between runs.
	Dir string

	// Settings are further settings of postgresql.conf, e.g. fsync=off in tests. They
	// cannot change the settings that keep the server private (addresses, socket,
	// port). Default: none, so commits are durable.
	Settings map[string]string

	// Database is created when missing. Default "tidings".
	Database string

	// Logger logs the starts and stops of the server. Default: no logs.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Database = cmp.Or(c.Database, "tidings")
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

// Server is a private Postgres. Its methods may be called from any goroutine, but
// Restart only by one at a time.
type Server struct {
	cfg     Config
	account account
	dir     string // cfg.Dir, or another directory if Postgres's user cannot reach it
	socket  string // the directory of the Unix socket; a DSN names it, so it never changes

	mu   sync.Mutex // guards proc
	proc *process   // the postmaster that was started last
}

// Start runs Postgres in cfg.Dir, making the cluster when there is none, and returns
// once it accepts connections and has cfg.Database. If a predecessor was killed and
// its Postgres is still on the way down, Start waits for that.
//
// It returns ErrNotInstalled when there is no Postgres to run, ErrRunning when a
// server runs in that directory already, and ctx.Err() when ctx ends first. ctx is
// for the start alone: the server runs on until Stop, Crash or the end of this
// process. If Postgres does not start, the error quotes the end of its log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s, err := place(ctx, cfg)
	if err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("start postgres in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// DSN is a URL, for pgx and libpq alike, that reaches the database as a superuser.
// It stays the same over Restart.
func (s *Server) DSN(database string) string {
	query := url.Values{"host": {s.socket}, "port": {port}}.Encode()
	dsn := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Path:     "/" + database,
		RawQuery: strings.ReplaceAll(query, "+", "%20"), // libpq takes a plus for a plus
	}
	return dsn.String()
}

// Dir returns the directory of the server: Config.Dir made absolute, or another
// directory if Postgres's user cannot reach Config.Dir.
func (s *Server) Dir() string { return s.dir }

// Done returns a channel that is closed when the postmaster has ended for any reason
// and its locks are free. After Restart, Done returns another channel.
func (s *Server) Done() <-chan struct{} { return s.current().done }

// Stop shuts Postgres down fast: open transactions are rolled back, clients are cut,
// everything committed is on disk. It returns when Postgres is gone, or with
// ctx.Err() while that still goes on. Stopping a stopped server does nothing.
func (s *Server) Stop(ctx context.Context) error {
	return s.end(ctx, syscall.SIGINT, "stop postgres")
}

// Crash ends Postgres at once, without a checkpoint and without a message to clients,
// as a power cut does. It returns when Postgres has ended. The next start recovers from
// the WAL.
func (s *Server) Crash(ctx context.Context) error {
	return s.end(ctx, syscall.SIGQUIT, "crash postgres")
}

// Restart starts a stopped or crashed server again, in the same place and under the
// same DSN. It fails as Start does; on a running server that is ErrRunning.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart postgres in %s: %w", s.cfg.Dir, err)
	}
	return nil
}

func (s *Server) end(ctx context.Context, sig syscall.Signal, act string) error {
	p := s.current()
	if err := p.Signal(sig); err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", act, ctx.Err())
	}
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *Server) become(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = p
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
