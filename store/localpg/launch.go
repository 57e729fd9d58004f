package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// pollEvery is the time between two attempts to lock the log.
	pollEvery = 20 * time.Millisecond

	// patience is how long Start waits until the Postgres of a killed owner has ended.
	patience = 30 * time.Second

	// maxLog is the size in bytes from which a start empties postgres.log.
	maxLog = 16 << 20

	// quotedLines is the largest number of lines of the log that an error quotes.
	quotedLines = 20
)

// launch locks the directory, makes the cluster if there is none, and starts Postgres. If
// it fails, no process is left running.
func (s *Server) launch(ctx context.Context) error {
	lock, err := s.lockDir()
	if err != nil {
		return err
	}
	log, err := s.openLog(ctx)
	if err != nil {
		unlock(lock)
		return err
	}
	defer log.Close() // Postgres has inherited the file
	p, err := s.spawn(ctx, lock, log)
	if err != nil {
		unlock(lock)
		return log.explain(err)
	}
	s.setProcess(p)
	if err := s.await(ctx, p); err != nil {
		_ = p.Signal(syscall.SIGQUIT) // fails only if the process has ended
		<-p.done
		return log.explain(err)
	}
	s.cfg.Logger.InfoContext(ctx, "postgres is up", "dir", s.dir, "version", p.version, "pid", p.Pid())
	return nil
}

// lockDir makes this process the owner of the directory until the file is unlocked. It
// returns ErrRunning if another process is the owner.
func (s *Server) lockDir() (*os.File, error) {
	f, err := s.account.open(filepath.Join(s.dir, "lock"))
	if err != nil {
		return nil, err
	}
	free, err := tryLock(f)
	if err == nil && !free {
		err = ErrRunning
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// journal is postgres.log.
type journal struct {
	*os.File
	begin int64 // size of the file when this start began
}

// openLog opens the log and locks it. All processes of a server inherit the file and its
// lock, so no process of an earlier server can use the data once the lock is granted. It
// returns ErrRunning if that takes longer than patience.
func (s *Server) openLog(ctx context.Context) (*journal, error) {
	f, err := s.account.open(filepath.Join(s.dir, "postgres.log"))
	if err != nil {
		return nil, err
	}
	begin, err := s.waitForPredecessor(ctx, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &journal{f, begin}, nil
}

func (s *Server) waitForPredecessor(ctx context.Context, log *os.File) (begin int64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: the process that started it has ended, but the server has not", ErrRunning))
	defer cancel()

	for {
		free, err := tryLock(log)
		if err != nil {
			return 0, err
		}
		if free {
			return beginLog(log)
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

// beginLog empties a log that is longer than maxLog, and returns the size of the log.
func beginLog(log *os.File) (int64, error) {
	info, err := log.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() > maxLog {
		return 0, log.Truncate(0)
	}
	return info.Size(), nil
}

// explain adds the last lines of the log to err, if this start has written any.
func (j *journal) explain(err error) error {
	text, readErr := os.ReadFile(j.Name())
	if readErr != nil || int64(len(text)) <= j.begin {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text[j.begin:])), "\n")
	lines = lines[max(0, len(lines)-quotedLines):]
	return fmt.Errorf("%w; the end of %s:\n%s", err, j.Name(), strings.Join(lines, "\n"))
}

// await waits until Postgres accepts connections, and creates the database if it is
// missing. It returns an error if Postgres ends, if this process may not open the socket,
// or if ctx ends.
func (s *Server) await(ctx context.Context, p *process) error {
	var conn *pgx.Conn
	var refused error
	err := p.Await(ctx, func() bool {
		conn, refused = pgx.Connect(ctx, s.DSN("postgres"))
		return refused == nil || errors.Is(refused, fs.ErrPermission)
	})
	if err = cmp.Or(err, refused); err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return ensureDatabase(ctx, conn, s.cfg.Database)
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var exists bool
	err := conn.QueryRow(ctx, `
		select exists (select from pg_database where datname = $1)`, name,
	).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, `create database `+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
