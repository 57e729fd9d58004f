package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldest is the first major version that has what the schema needs.
const oldest = 15

// ErrNotInstalled means that this machine has no Postgres server that is new enough.
// Its message says how to get one.
var ErrNotInstalled = errors.New(`no Postgres 15 or newer is installed here; install one:
  Debian, Ubuntu:  sudo apt-get install postgresql
  Fedora, RHEL:    sudo dnf install postgresql-server
  Alpine:          apk add postgresql17
  Arch:            sudo pacman -S postgresql
  openSUSE:        sudo zypper install postgresql-server
  macOS:           brew install postgresql@17`)

// patterns are the directories into which packages install server programs without adding
// them to PATH, so that several major versions can be installed at the same time.
var patterns = []string{
	"/usr/lib/postgresql/*/bin",       // Debian, Ubuntu
	"/usr/pgsql-*/bin",                // Postgres's own packages for Fedora, RHEL, SUSE
	"/usr/lib/postgresql*/bin",        // openSUSE
	"/usr/lib64/postgresql-*/bin",     // Gentoo
	"/usr/libexec/postgresql*",        // Alpine
	"/opt/homebrew/opt/postgres*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgres*/bin",    // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgres*/bin",
	"/opt/local/lib/postgresql*/bin", // MacPorts
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/usr/local/pgsql/bin", // built from source
}

// install is one Postgres on this machine.
type install struct {
	bin     string // the directory of postgres and initdb
	version int    // major
}

// Find returns the directory with the server binaries of the newest Postgres that
// is installed, and its major version, or ErrNotInstalled when none is 15 or newer.
func Find() (bin string, version int, err error) {
	found, err := pick(installs(), 0)
	return found.bin, found.version, err
}

// pick returns the install with the major version data, or the newest install if data is
// 0, which means that there is no data yet. all is sorted, newest first. It returns
// ErrNotInstalled if all is empty.
func pick(all []install, data int) (install, error) {
	if len(all) == 0 {
		return install{}, ErrNotInstalled
	}
	if data == 0 {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(in install) bool { return in.version == data })
	if i < 0 {
		return install{}, fmt.Errorf("the data was made by Postgres %d, but the Postgres installed is %d: install that one too, or move the data away", data, all[0].version)
	}
	return all[i], nil
}

// installs returns the installed servers that are new enough, newest first.
func installs() []install {
	var all []install
	seen := map[string]bool{}
	for _, bin := range candidates() {
		if seen[bin] || !filepath.IsAbs(bin) {
			continue
		}
		seen[bin] = true
		if version := versionOf(bin); version >= oldest {
			all = append(all, install{bin, version})
		}
	}
	slices.SortStableFunc(all, func(a, b install) int { return b.version - a.version })
	return all
}

// candidates returns the directories that may have server programs. Those from PATH come
// first, so that they have precedence over other installs of the same version.
func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
		// PATH may have only a link to postgres: initdb is in the directory of its target.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if path, err := exec.LookPath("pg_config"); err == nil {
		dirs = append(dirs, output(path, "--bindir"))
	}
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // fails only for a malformed pattern
		dirs = append(dirs, found...)
	}
	return dirs
}

// versionOf returns the major version of the server in bin, 0 if there is none.
func versionOf(bin string) int {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
	}
	return parseVersion(output(filepath.Join(bin, "postgres"), "--version"))
}

// parseVersion returns the major version in a line like "postgres (PostgreSQL) 17.2
// (Debian …)" or "postgres (PostgreSQL) 18beta1". It returns 0 if there is none.
func parseVersion(line string) int {
	_, rest, _ := strings.Cut(line, "(PostgreSQL) ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	version, _ := strconv.Atoi(rest[:end])
	return version
}

// output runs a program and returns what it prints, or "" if it fails or takes longer than
// 10 s.
func output(program string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	out, _ := exec.CommandContext(ctx, program, args...).Output()
	return strings.TrimSpace(string(out))
}
