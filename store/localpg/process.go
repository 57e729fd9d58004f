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

// leash becomes Postgres, and leaves a watcher behind: a shell that reads from the
// pipe on descriptor 3, whose other end only the owner holds. The owner's death
// closes the pipe, so read fails and Postgres ($$) gets a fast shutdown. A line read
// means that Postgres went first, and its process id may be someone else's by now.
//
// The watcher is the child of a subshell that ends at once: to Postgres it must not
// look like a child of its own that died. Postgres must not inherit the descriptor.
const leash = `( { read -r gone || kill -INT $$; } <&3 >/dev/null 2>&1 & )
exec "$@" 3<&-`

// environment is all that Postgres and initdb get to see of ours: PGPORT, PGOPTIONS,
// LC_ALL and their kin would make one machine's server unlike another's.
var environment = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}

// defaults suit a developer's machine. Durability stays as Postgres ships it.
var defaults = map[string]string{
	"cluster_name":    "tidings",
	"jit":             "off", // short queries: compiling them costs more than it saves
	"log_checkpoints": "off",
	"log_line_prefix": "%m [%p] %q%a ",
	"log_timezone":    "UTC",
	"timezone":        "UTC",
}

// process is a postmaster that was started, with its leash.
type process struct {
	*child.Process
	version int
	leash   *os.File      // Postgres runs until this end of its pipe is closed
	done    chan struct{} // closed when the postmaster has ended and all it held is released
}

// spawn starts the postmaster, and a goroutine that waits for its end. From then on
// the lock is that goroutine's to free.
func (s *Server) spawn(ctx context.Context, lock *os.File, log *journal) (*process, error) {
	in, err := s.prepare(ctx, log)
	if err != nil {
		return nil, err
	}
	held, hand, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer held.Close()

	args := append([]string{"-c", leash, "sh", filepath.Join(in.bin, "postgres")}, s.arguments()...)
	cmd := exec.Command("/bin/sh", args...) // not bound to ctx, which is for the start alone
	s.dress(cmd, log)
	cmd.ExtraFiles = []*os.File{held}
	postmaster, err := child.Start(cmd, 0) // the leash ends it in order, a signal would not
	if err != nil {
		hand.Close()
		return nil, err
	}
	p := &process{Process: postmaster, version: in.version, leash: hand, done: make(chan struct{})}
	go s.reap(p, lock)
	return p, nil
}

// reap waits for the postmaster and releases what its life held.
func (s *Server) reap(p *process, lock *os.File) {
	<-p.Process.Done()
	p.leash.WriteString("gone\n")
	p.leash.Close()
	if s.socket != filepath.Join(s.dir, "run") {
		os.RemoveAll(s.socket)
	}
	unlock(lock)
	s.cfg.Logger.Info("postgres is down", "dir", s.dir, "status", p.State().String())
	close(p.done)
}

// arguments are those of the postmaster. Of two settings of one name the later wins.
func (s *Server) arguments() []string {
	args := []string{"-D", s.dataDir()}
	for _, settings := range []map[string]string{defaults, s.cfg.Settings, s.private()} {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			args = append(args, "-c", name+"="+settings[name])
		}
	}
	return args
}

// private returns the settings that Config cannot change. A client that can open the socket is
// superuser, without a password: the guard is its directory, which has mode 0700.
func (s *Server) private() map[string]string {
	return map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": `"` + strings.ReplaceAll(s.socket, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
	}
}

// run runs a program of Postgres's to its end; its output goes to the log.
func (s *Server) run(ctx context.Context, log *journal, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	s.dress(cmd, log)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return nil
}

// dress gives a command the account, surroundings and output of everything we run.
func (s *Server) dress(cmd *exec.Cmd, log *journal) {
	cmd.Dir = "/" // ours may be closed to the account
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = log.File, log.File
	cmd.SysProcAttr = s.account.process()
}
