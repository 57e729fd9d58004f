package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tidings-live/tidings/store/localpg/child"
)

const (
	startTimeout = 90 * time.Second // initdb on a slow disk takes long
	stopTimeout  = 60 * time.Second // more than a drain and a shutdown of Postgres
	secretName   = "jwt-secret"     // of the file in its folder where dev keeps its key
)

// own is a server of our own: the program's dev command in a child process,
// so that its CPU and memory are its own. Nothing of it outlives remove.
type own struct {
	out     printer
	dir     string
	home    string // where Postgres lives when its user cannot reach dir
	program string
	env     []string
}

func newOwn(out printer, program string, env []string, readers int) (*own, error) {
	dir, err := os.MkdirTemp("", "tidings-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	// Root's Postgres runs as another user, who must get through to a folder in it.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &own{out: out, dir: dir, program: program, env: serverEnv(env, readers)}, nil
}

// serverEnv lifts the limits that a bench would run into, unless they are set: they
// may be what is to be measured. Other tokens than those of dev's own key are not.
func serverEnv(env []string, readers int) []string {
	streams := strconv.Itoa(readers + 100)
	out := []string{
		"TIDINGS_RATE_LIMITS=off",
		"TIDINGS_MAX_STREAMS=" + streams,
		"TIDINGS_MAX_STREAMS_PER_ADDRESS=" + streams,
		"TIDINGS_MAX_STREAMS_PER_USER=" + streams,
	}
	for _, e := range env {
		if !strings.HasPrefix(e, "TIDINGS_JWT_") && !strings.HasPrefix(e, "TIDINGS_JWKS") {
			out = append(out, e) // of two the later wins
		}
	}
	return out
}

func (o *own) remove() error { return errors.Join(os.RemoveAll(o.dir), removeHome(o.home)) }

func removeHome(home string) error {
	if home == "" {
		return nil
	}
	return os.RemoveAll(home)
}

// visit runs the server for as long as fn.
func (o *own) visit(ctx context.Context, fn func(*target) error) (err error) {
	o.out.say("starting a server in %s", o.dir)
	addr, err := child.FreeAddress()
	if err != nil {
		return err
	}
	server, err := o.start(addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	t, err := o.meet(ctx, server, "http://"+addr)
	if err != nil {
		return err
	}
	defer t.close()
	return fn(t)
}

// meet waits until the server answers, and learns what there is to know about it.
func (o *own) meet(ctx context.Context, server *process, url string) (*target, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := server.Await(ctx, func() bool { return server.dsn() != "" && answersReady(ctx, url) }); err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(filepath.Join(o.dir, secretName))
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	t, err := newTarget(url, string(secret), o.out)
	if err != nil {
		return nil, err
	}
	t.pid, t.dsn = server.Pid(), server.dsn()
	if data := databaseSetting(ctx, t.dsn, "data_directory"); data != "" && !strings.HasPrefix(data, o.dir) {
		o.home = filepath.Dir(data)
		o.out.say("its data is in %s", data)
	}
	return t, nil
}

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

// process is the server's process and what it has printed to standard output.
type process struct {
	*child.Process
	out *output
}

func (o *own) start(addr string) (*process, error) {
	cmd := exec.Command(o.program, "dev", "--dir", o.dir, "--addr", addr, "--log-level", "warn") // outlives ctx: it stops in order
	out := new(output)
	cmd.Env, cmd.Stdout, cmd.Stderr = o.env, out, o.out.progress
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	return &process{p, out}, nil
}

// stop ends the server and its Postgres in order. It kills a server that does not end
// within a minute. A server that had ended already is no error here: the request that
// needed it has failed.
func (p *process) stop() error {
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

// dsn is the database's, as dev prints it; "" until then.
func (p *process) dsn() string { return dsnPattern.FindString(p.out.String()) }

var dsnPattern = regexp.MustCompile(`postgres://[^'\s]+`)

// output keeps what is written to it.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
