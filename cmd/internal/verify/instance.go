package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
)

const (
	// readyLimit is how long an instance may take until it is ready; Postgres may have
	// to recover first.
	readyLimit = 60 * time.Second
	// drainLimit is how long an instance may take to end when it is asked to.
	drainLimit = 20 * time.Second
	lookEvery  = 20 * time.Millisecond
)

// An instance is one server as a process of ours, behind two proxies: one that its
// clients come through and one that it listens to Postgres through.
type instance struct {
	name    string
	program string
	env     []string
	log     string
	front   *tcpproxy.Proxy
	back    *tcpproxy.Proxy

	mu      sync.Mutex     // guards what follows
	address string         // where it listens at present: each life has another port
	proc    *child.Process // nil until the first start
}

// newInstance makes the proxies; nothing runs yet.
func (w *world) newInstance(ctx context.Context, number int) (_ *instance, err error) {
	i := &instance{
		name: fmt.Sprintf("instance-%d", number), program: w.chaos.Program, env: w.env(),
	}
	i.log = filepath.Join(w.dir, i.name+".log")
	if i.front, err = tcpproxy.Listen(i.dial); err != nil {
		return nil, err
	}
	if i.back, err = tcpproxy.Listen(w.dialPostgres); err != nil {
		return nil, errors.Join(err, i.front.Close())
	}
	i.env = append(i.env, "TIDINGS_LISTEN_URL="+w.through(i.back.Addr()))
	return i, nil
}

func (i *instance) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", i.where())
}

func (i *instance) where() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.address
}

// url is where clients reach it, in this life and the next.
func (i *instance) url() string { return "http://" + i.front.Addr() }

// start runs the process and returns when it is ready.
func (i *instance) start(ctx context.Context) error {
	address, err := child.FreeAddress()
	if err != nil {
		return err
	}
	proc, err := i.spawn(address)
	if err != nil {
		return fmt.Errorf("start %s: %w", i.name, err)
	}
	return i.awaitReady(ctx, proc)
}

// awaitReady returns when the instance says that it delivers.
func (i *instance) awaitReady(ctx context.Context, proc *child.Process) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := proc.Await(ctx, func() bool { return i.ready(ctx) }); err != nil {
		return fmt.Errorf("%s, with its log in %s: %w", i.name, i.log, err)
	}
	return nil
}

func (i *instance) spawn(address string) (*child.Process, error) {
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()                                          // the process has its own
	cmd := exec.Command(i.program, "serve", "--addr", address) // outlives ctx: it is ended in order
	cmd.Env, cmd.Stdout, cmd.Stderr = i.env, log, log
	proc, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.address, i.proc = address, proc
	return proc, nil
}

func (i *instance) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.where()+"/readyz", nil)
	if err != nil {
		return false
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// end sends the signal and returns when the process is gone. One that does not end
// is killed, and that is an error.
func (i *instance) end(sig syscall.Signal) error {
	proc := i.process()
	if proc == nil {
		return nil
	}
	if err := proc.Stop(sig, drainLimit); err != nil {
		return fmt.Errorf("%s: %w", i.name, err)
	}
	return nil
}

// close ends all of it.
func (i *instance) close() error {
	return errors.Join(i.end(syscall.SIGKILL), i.front.Close(), i.back.Close())
}

// process is the process that was started last, nil if none was.
func (i *instance) process() *child.Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.proc
}
