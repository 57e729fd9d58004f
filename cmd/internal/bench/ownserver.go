package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-live/tidings/store/localpg/child"
)

const (
	startTimeout = 90 * time.Second // initdb on a slow disk takes long
	stopTimeout  = 60 * time.Second // longer than a drain and a shutdown of Postgres

	// Files that dev writes into its folder before it listens.
	secretFile   = "jwt-secret"
	databaseFile = "database-url"
)

// An ownServer starts a server and Postgres in a temporary folder: "program dev", in a
// child process, so that its CPU time and memory can be told from those of this one.
// Each call of withServer starts it again, on the data of the call before.
type ownServer struct {
	out     printer
	dir     string
	home    string // parent of Postgres' data folder if that is not in dir; "" if it is
	program string
	env     []string
}

// newOwnServer makes the temporary folder, which remove deletes. The server accepts
// that many readers, from one address and of one user.
func newOwnServer(out printer, program string, env []string, readers int) (*ownServer, error) {
	dir, err := os.MkdirTemp("", "tidings-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	// If this process is root, Postgres runs as another user, who needs to enter the folder.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &ownServer{out: out, dir: dir, program: program, env: serverEnv(env, readers)}, nil
}

// serverEnv returns env with limits that a benchmark does not reach. A limit that is set
// in env stays, as the user may want to measure it. Keys for tokens are removed: dev
// makes its own.
func serverEnv(env []string, readers int) []string {
	streams := strconv.Itoa(readers + 100)
	out := []string{
		"TIDINGS_RATE_LIMITS=off",
		"TIDINGS_MAX_STREAMS=" + streams,
		"TIDINGS_MAX_STREAMS_PER_ADDRESS=" + streams,
		"TIDINGS_MAX_STREAMS_PER_USER=" + streams,
	}
	for _, e := range env {
		if !strings.HasPrefix(e, "TIDINGS_JWT_") {
			out = append(out, e) // the last entry of a name is the one that counts
		}
	}
	return out
}

// remove deletes all files of the server. No withServer may be running.
func (o *ownServer) remove() error {
	err := os.RemoveAll(o.dir)
	if o.home != "" {
		err = errors.Join(err, os.RemoveAll(o.home))
	}
	return err
}

// withServer implements [serverProvider]. It returns when the server has stopped.
func (o *ownServer) withServer(ctx context.Context, fn func(*target) error) (err error) {
	o.out.logf("starting a server in %s", o.dir)
	addr, err := child.FreeAddress()
	if err != nil {
		return err
	}
	server, err := o.start(addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer(server)) }()
	t, err := o.awaitReady(ctx, server, "http://"+addr)
	if err != nil {
		return err
	}
	defer t.close()
	return fn(t)
}

// start starts dev. The command ignores the context: withServer stops it in order.
func (o *ownServer) start(addr string) (*child.Process, error) {
	cmd := exec.Command(o.program, "dev", "--dir", o.dir, "--addr", addr, "--log-level", "warn")
	cmd.Env, cmd.Stderr = o.env, o.out.progress
	return child.Start(cmd, syscall.SIGTERM)
}

// awaitReady waits until the server answers, and returns it as a target.
func (o *ownServer) awaitReady(ctx context.Context, server *child.Process, url string) (*target, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := server.Await(ctx, func() bool { return answersReady(ctx, url) }); err != nil {
		return nil, fmt.Errorf("wait for the server: %w", err)
	}
	secret, err := os.ReadFile(filepath.Join(o.dir, secretFile))
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	dsn, err := os.ReadFile(filepath.Join(o.dir, databaseFile))
	if err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	t, err := newTarget(url, string(secret), o.out)
	if err != nil {
		return nil, err
	}
	t.pid, t.dsn = server.Pid(), string(dsn)
	if data := databaseSetting(ctx, t.dsn, "data_directory"); data != "" && !strings.HasPrefix(data, o.dir) {
		o.home = filepath.Dir(data)
		o.out.logf("its data is in %s", data)
	}
	return t, nil
}

// answersReady returns whether the server's /readyz has status 200.
func answersReady(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// stopServer stops the server and its Postgres, and kills a server that takes longer
// than a minute. A server that has ended before is not an error: the request that needed
// it has failed.
func stopServer(p *child.Process) error {
	if p.Ended() {
		return nil
	}
	if err := p.Stop(syscall.SIGTERM, stopTimeout); err != nil {
		return err
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("the server ended: %w", err)
	}
	return nil
}
