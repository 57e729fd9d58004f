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

// ErrRunning means that another server runs in the directory. Stop that server, or use
// another directory.
var ErrRunning = errors.New("a server is already running there")

// role is the superuser that initdb makes. All connections use it.
const role = "tidings"

// Config sets the directory, the settings and the database of a server.
type Config struct {
	// Dir is for the files of this server only: data/, run/ (the Unix socket),
	// postgres.log and lock. It is created if it does not exist, and stays when the
	// server stops.
	Dir string

	// Settings are settings of postgresql.conf, for example fsync=off in tests. They
	// cannot change the addresses, the socket and the port, which keep the server
	// private. Default: none, so commits are durable.
	Settings map[string]string

	// Database is the name of a database, which is created if it does not exist.
	// Default: tidings.
	Database string

	// Logger gets messages about start and end, and about another directory than Dir.
	// Default: discard.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Database = cmp.Or(c.Database, "tidings")
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

// Server is a private Postgres. Its methods may be called from any goroutine, Restart by
// one at a time.
type Server struct {
	cfg     Config
	account account
	dir     string // cfg.Dir, or the directory that is used in its place
	socket  string // directory of the Unix socket; it is part of each DSN, so it never changes

	mu   sync.Mutex // guards proc
	proc *process   // the postmaster that runs, or the last one that ran
}

// Start starts Postgres in cfg.Dir. It makes the cluster if there is none, and returns when
// Postgres accepts connections and has cfg.Database. If an earlier owner was killed, Start
// waits up to 30 s until its Postgres has ended.
//
// Start returns ErrNotInstalled if no Postgres is installed, ErrRunning if another server
// runs in the directory, and ctx.Err() if ctx ends first. ctx bounds the start only: the
// server runs until Stop, Crash or the end of this process. If Postgres does not start,
// the error quotes the end of its log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s, err := newServer(ctx, cfg)
	if err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("start postgres in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// DSN returns the URL of a database, for pgx and libpq. Its user is a superuser. It does
// not change when the server restarts.
func (s *Server) DSN(database string) string {
	query := url.Values{"host": {s.socket}, "port": {port}}.Encode()
	dsn := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Path:     "/" + database,
		RawQuery: strings.ReplaceAll(query, "+", "%20"), // libpq does not decode a plus as a space
	}
	return dsn.String()
}

// Dir returns the directory of the server: the absolute path of Config.Dir or, if the user
// of Postgres cannot reach that, the directory that is used in its place.
func (s *Server) Dir() string { return s.dir }

// Done returns a channel that is closed when the postmaster has ended, for any reason, and
// its locks are released. After Restart there is a new channel.
func (s *Server) Done() <-chan struct{} { return s.current().done }

// Stop does a fast shutdown: open transactions are rolled back, clients are disconnected,
// and all commits are on disk. It returns when Postgres has ended, or ctx.Err() if ctx ends
// first. On a stopped server it does nothing.
func (s *Server) Stop(ctx context.Context) error {
	return s.end(ctx, syscall.SIGINT, "stop postgres")
}

// Crash does an immediate shutdown: there is no checkpoint, and the next start recovers
// from the WAL. It returns when Postgres has ended, or ctx.Err() if ctx ends first.
func (s *Server) Crash(ctx context.Context) error {
	return s.end(ctx, syscall.SIGQUIT, "crash postgres")
}

// Restart starts a stopped or crashed server again, in the same directory and with the same
// DSN. It returns the errors of Start; on a running server that is ErrRunning.
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

func (s *Server) setProcess(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = p
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
