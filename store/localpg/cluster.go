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

// prepare makes the files that the postmaster needs, and returns the install whose
// version fits the data. The caller holds the locks of the directory and of the log.
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
	if err := replacePid(filepath.Join(s.dataDir(), "postmaster.pid")); err != nil {
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

// initialize makes the cluster. initdb writes to data.new, which is renamed to data when
// it is complete, so that data never holds an incomplete cluster.
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
			// An empty cluster can be made again. The server itself runs with fsync.
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

// locales returns the options of initdb that set the locale, the preferred one first. All
// sort by code point, so that the order is the same on all machines. C.UTF-8 also has the
// character classes of Unicode, but not every system has it.
func locales(version int) [][]string {
	system := [][]string{{"--locale", "C.UTF-8"}, {"--locale", "C"}}
	if version < 17 {
		return system
	}
	builtin := []string{"--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"}
	return append([][]string{builtin}, system...)
}

// replacePid replaces the process id in a postmaster.pid that a crash has left behind.
//
// Postgres does not start if a process with that id exists. After a reboot or in a
// container that may be an unrelated process: the caller holds the lock of the log, so no
// server of this package runs. The new id is that of this process, because Postgres
// ignores the id of its parent. The rest of the file stays: from its shared memory key
// Postgres finds a server on the same data that another program has started.
func replacePid(pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest), 0o600); err != nil {
		return fmt.Errorf("replace the process id of a crashed server: %w", err)
	}
	return nil
}
