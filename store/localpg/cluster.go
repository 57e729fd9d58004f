package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// prepare makes everything that the postmaster needs to find, and chooses the
// binaries that fit the data. The caller holds both locks.
func (s *Server) prepare(ctx context.Context, log *journal) (install, error) {
	version, err := dataVersion(s.dataDir())
	if err != nil {
		return install{}, err
	}
	in, err := pick(installs(), version)
	if err != nil {
		return install{}, err
	}
	if version == 0 {
		if err := s.initialize(ctx, in, log); err != nil {
			return install{}, err
		}
	}
	if err := disown(filepath.Join(s.dataDir(), "postmaster.pid")); err != nil {
		return install{}, err
	}
	return in, privateDir(s.socket, s.account)
}

// dataVersion is the major version of the Postgres that made the data, 0 if there is
// no data.
func dataVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// initialize makes the cluster. It is made aside and moved into place when whole,
// so that a cluster made halfway never counts as one.
func (s *Server) initialize(ctx context.Context, in install, log *journal) error {
	fresh := s.dataDir() + ".new"
	var err error
	for _, locale := range locales(in.version) {
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		args := append([]string{
			"--pgdata", fresh, "--username", role, "--encoding", "UTF8",
			"--auth-local", "trust", "--auth-host", "reject",
			// There is nothing to lose yet; the server's own fsync stays on.
			"--no-sync", "--no-instructions",
		}, locale...)
		err = s.run(ctx, log, filepath.Join(in.bin, "initdb"), args...)
		if err == nil {
			return os.Rename(fresh, s.dataDir())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// locales are what to ask of initdb, by preference: Unicode's character classes,
// sorted by code point, alike on all machines. Not every system has C.UTF-8.
func locales(version int) [][]string {
	system := [][]string{{"--locale", "C.UTF-8"}, {"--locale", "C"}}
	if version < 17 {
		return system
	}
	builtin := []string{"--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"}
	return append([][]string{builtin}, system...)
}

// disown makes what a crash left of postmaster.pid harmless. We know by the log's
// lock that no server of ours is alive, but Postgres looks for a process with that
// id, and after a reboot or in a container it may find some other one, and give up.
// So we put down our own id, which it passes over as its parent's. The rest of the
// file stays: by its shared memory key Postgres would still notice a server that
// someone else has started on the data.
func disown(pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest), 0o600); err != nil {
		return fmt.Errorf("clear up after a crash: %w", err)
	}
	return nil
}
