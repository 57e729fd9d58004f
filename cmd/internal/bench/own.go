package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
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
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	child, err := o.start(addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, child.stop()) }()
	t, err := o.meet(ctx, child, "http://"+addr)
	if err != nil {
		return err
	}
	defer t.close()
	return fn(t)
}

// meet waits until the server answers, and learns what there is to know about it.
func (o *own) meet(ctx context.Context, child *child, url string) (*target, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := child.await(ctx, func() bool { return child.dsn() != "" && answersReady(ctx, url) }); err != nil {
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
	t.pid, t.dsn = child.cmd.Process.Pid, child.dsn()
	if data := databaseSetting(ctx, t.dsn, "data_directory"); data != "" && !strings.HasPrefix(data, o.dir) {
		o.home = filepath.Dir(data)
		o.out.say("its data is in %s", data)
	}
	return t, nil
}

// freeAddr is one where nobody listens at the moment.
func freeAddr(ctx context.Context) (string, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find port: %w", err)
	}
	return socket.Addr().String(), socket.Close()
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

// A child is the process of the server.
type child struct {
	cmd    *exec.Cmd
	out    output
	done   chan struct{} // closed when it has ended
	ending error         // how; read it after done
}

func (o *own) start(addr string) (*child, error) {
	c := &child{done: make(chan struct{})}
	c.cmd = exec.Command(o.program, "dev", "--dir", o.dir, "--addr", addr, "--log-level", "warn") // outlives ctx: it stops in order
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = o.env, &c.out, o.out.progress
	c.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go func() {
		// The kernel's signal at a parent's death is one at the death of the thread.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.ending = c.cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	return c, nil
}

// await waits until something has come true of the server.
func (c *child) await(ctx context.Context, ok func() bool) error {
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-c.done:
			return fmt.Errorf("the server ended: %w", cmp.Or(c.ending, io.EOF))
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", ctx.Err())
		}
	}
	return nil
}

// stop ends the server and its Postgres in order; it kills what does not end.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-c.done
		return nil // whoever needed it has had an error
	}
	select {
	case <-c.done:
	case <-time.After(stopTimeout):
		c.cmd.Process.Kill()
		<-c.done
	}
	if c.ending != nil {
		return fmt.Errorf("the server ended: %w", c.ending)
	}
	return nil
}

// dsn is the database's, as dev prints it; "" until then.
func (c *child) dsn() string { return dsnPattern.FindString(c.out.String()) }

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
