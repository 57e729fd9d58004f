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
	// port is a part of the name of the socket file, .s.PGSQL.5432. No TCP port is open.
	port = "5432"

	// maxSocket is the greatest length of the path of a socket file. The limit of macOS
	// is 103 bytes, that of Linux is 107.
	maxSocket = 100
)

// fallbacks are the folders for servers whose user cannot reach Config.Dir, in order of
// preference.
var fallbacks = []string{"/var/lib", "/var/tmp"}

// newServer chooses the user and the directory of a server, and makes the directory. It
// starts nothing.
func newServer(ctx context.Context, cfg Config) (*Server, error) {
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
		if s.dir, err = fallbackDir(dir, who); err != nil {
			return nil, err
		}
		cfg.Logger.WarnContext(ctx, "postgres uses another directory, because its user cannot reach the given one",
			"given", dir, "used", s.dir, "uid", who.uid)
	}
	s.socket = socketDir(s.dir, who)
	return s, nil
}

// realDir makes dir with mode 0700, and its parents with mode 0755, if they do not exist.
// It returns the absolute path without symbolic links, so that a directory always has the
// same name.
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

// fallbackDir makes a directory that is used in place of dir. Its name depends on dir only,
// so that the next run finds the data.
func fallbackDir(dir string, who account) (string, error) {
	errs := []error{fmt.Errorf("the user with id %d, who would run Postgres, cannot reach the directory", who.uid)}
	for _, base := range fallbacks {
		used := filepath.Join(base, "tidings-"+digest(dir))
		err := privateDir(used, who)
		if err == nil && who.reaches(used) {
			return used, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// socketDir returns the directory of the socket of the server in dir. It is dir/run, unless
// that path is too long for a socket or has a comma, which separates hosts in a DSN. Then
// it is a directory under /tmp whose name depends on dir and the user only, so that the
// next start uses the directory that a killed process has left behind.
func socketDir(dir string, who account) string {
	run := filepath.Join(dir, "run")
	if len(filepath.Join(run, ".s.PGSQL."+port+".lock")) <= maxSocket && !strings.Contains(run, ",") {
		return run
	}
	return filepath.Join("/tmp", fmt.Sprintf("tidings-%d-%s", who.uid, digest(dir)))
}

// privateDir makes a directory that only the given account can enter. If path exists and is
// not such a directory, it returns an error: in /tmp any user may have made it.
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
