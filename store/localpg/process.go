package localpg

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidings-live/tidings/store/localpg/child"
)

// script starts a watcher and then becomes Postgres, so that Postgres has the process id
// of the shell, $$. The watcher is a shell that reads from the pipe on descriptor 3. Only
// the owner has the writing end. When the owner ends, the pipe is closed and read fails:
// the watcher sends Postgres SIGINT, which is a fast shutdown. If Postgres ends first, the
// owner writes a line (see reap) and the watcher sends nothing, because another process
// may have the id by then.
//
// The watcher is started by a subshell that ends at once. Otherwise it would be a child of
// Postgres, which could take its end for the crash of a server process. Postgres does not
// inherit the pipe.
const script = `( { read -r gone || kill -INT $$; } <&3 >/dev/null 2>&1 & )
exec "$@" 3<&-`

// environment is the environment of Postgres and initdb. Variables of this process such as
// PGPORT, PGOPTIONS and LC_ALL would make the server differ from machine to machine.
var environment = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}

// defaults are settings for a developer's machine. Commits stay durable.
var defaults = map[string]string{
	"cluster_name":    "tidings",
	"jit":             "off", // short queries: compiling them costs more than it saves
	"log_checkpoints": "off",
	"log_line_prefix": "%m [%p] %q%a ",
	"log_timezone":    "UTC",
	"timezone":        "UTC",
}

// process is a postmaster, from its start to its end.
type process struct {
	*child.Process
	version int
	pipe    *os.File      // writing end of the watcher's pipe; closing it stops Postgres
	done    chan struct{} // closed when the postmaster has ended and its locks are released
}

// spawn starts the postmaster, and the goroutine that runs reap. Without an error, that
// goroutine unlocks the lock when the postmaster has ended; with one, the caller does.
func (s *Server) spawn(ctx context.Context, lock *os.File, log *journal) (*process, error) {
	in, err := s.prepare(ctx, log)
	if err != nil {
		return nil, err
	}
	reading, writing, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reading.Close()

	args := append([]string{"-c", script, "sh", filepath.Join(in.bin, "postgres")}, s.arguments()...)
	cmd := exec.Command("/bin/sh", args...) // without ctx, which bounds the start only
	s.configure(cmd, log)
	cmd.ExtraFiles = []*os.File{reading}
	postmaster, err := child.Start(cmd, 0) // no signal of the kernel: the watcher stops Postgres
	if err != nil {
		writing.Close()
		return nil, err
	}
	p := &process{Process: postmaster, version: in.version, pipe: writing, done: make(chan struct{})}
	go s.reap(p, lock)
	return p, nil
}

// reap waits until the postmaster has ended. Then it stops the watcher, removes the
// directory of the socket if that is outside s.dir, and releases the lock.
func (s *Server) reap(p *process, lock *os.File) {
	<-p.Process.Done()
	p.pipe.WriteString("gone\n")
	p.pipe.Close()
	if s.socket != filepath.Join(s.dir, "run") {
		os.RemoveAll(s.socket)
	}
	unlock(lock)
	s.cfg.Logger.Info("postgres is down", "dir", s.dir, "status", p.State().String())
	close(p.done)
}

// arguments returns the arguments of the postmaster. If a setting is given twice, Postgres
// uses the second value, so that private comes last.
func (s *Server) arguments() []string {
	args := []string{"-D", s.dataDir()}
	for _, settings := range []map[string]string{defaults, s.cfg.Settings, s.private()} {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			args = append(args, "-c", name+"="+settings[name])
		}
	}
	return args
}

// private returns the settings that Config.Settings cannot change. A client that can open
// the socket is a superuser without a password, so the socket's directory has mode 0700.
func (s *Server) private() map[string]string {
	return map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": `"` + strings.ReplaceAll(s.socket, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
	}
}

// run runs a program of Postgres until it ends. Its output goes to the log. If ctx ends,
// run kills the program and its children.
func (s *Server) run(ctx context.Context, log *journal, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	s.configure(cmd, log)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return nil
}

// configure sets the account, the environment and the output of a command, which are the
// same for all programs of the server.
func (s *Server) configure(cmd *exec.Cmd, log *journal) {
	cmd.Dir = "/" // the account may not be able to read this process's directory
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = log.File, log.File
	cmd.SysProcAttr = s.account.process()
}
