package localpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// port names the socket file, .s.PGSQL.5432; nobody listens on it over TCP.
	port = "5432"

	// maxSocket is the longest path of a socket file that every system takes:
	// macOS has room for 103 bytes, Linux for 107.
	maxSocket = 100
)

// homes are the parents of the directory of a server if Postgres's user cannot reach
// Config.Dir, in order of preference.
var homes = []string{"/var/lib", "/var/tmp"}

// place chooses the account and the directory of the server, and makes the directory.
func place(ctx context.Context, cfg Config) (*Server, error) {
	dir, err := realDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	who, err := accountFor(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, account: who, dir: dir}
	if err := who.own(dir); err != nil {
		return nil, err
	}
	if !who.reaches(dir) {
		if s.dir, err = elsewhere(dir, who); err != nil {
			return nil, err
		}
		cfg.Logger.WarnContext(ctx, "postgres runs in another directory: its user cannot reach the given one",
			"dir", dir, "home", s.dir, "uid", who.uid)
	}
	s.socket = socketDir(s.dir, who)
	return s, nil
}

// realDir makes dir, private to its owner, and returns its one true name: the same
// directory must always mean the same server. Its parents are made as mkdir -p would.
func realDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// elsewhere makes a directory for a server that cannot use dir. Its name is derived from
// dir, so that the next run finds the data again.
func elsewhere(dir string, who account) (string, error) {
	errs := []error{fmt.Errorf("the user with id %d, who would run Postgres, cannot reach the directory", who.uid)}
	for _, base := range homes {
		home := filepath.Join(base, "tidings-"+digest(dir))
		err := privateDir(home, who)
		if err == nil && who.reaches(home) {
			return home, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// socketDir is where the socket of the server in dir goes: run/, unless its path is
// too long for a socket, or has a comma, which in a DSN separates two hosts. Then it
// is a directory under /tmp whose name follows from dir, so that what a killed
// process left behind is found and used again.
func socketDir(dir string, who account) string {
	run := filepath.Join(dir, "run")
	if len(filepath.Join(run, ".s.PGSQL."+port+".lock")) <= maxSocket && !strings.Contains(run, ",") {
		return run
	}
	return filepath.Join("/tmp", fmt.Sprintf("tidings-%d-%s", who.uid, digest(dir)))
}

// privateDir makes path a directory that only the account who can enter. It returns an
// error if path exists and is anything else: in /tmp, another user may have made it.
func privateDir(path string, who account) error {
	err := os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !who.mayOwn(info) {
		return fmt.Errorf("%s is not a private directory of the user with id %d: remove it", path, who.uid)
	}
	return who.own(path)
}

func digest(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("%x", sum[:6])
}
