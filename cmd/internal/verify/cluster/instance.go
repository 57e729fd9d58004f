package cluster

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
	// readyLimit is how long an instance may take until it is ready. Postgres may have
	// to recover first.
	readyLimit = 2 * time.Minute
	// askLimit is how long an instance may take to answer /readyz.
	askLimit = 2 * time.Second
	// endLimit is how long an instance may take to end after a signal.
	endLimit = time.Minute
)

// An Instance is one Tidings server, run as a child process. Its methods may be
// called from any goroutine, but only one at a time may start and end it.
type Instance struct {
	// Name is "instance-0" and so on. The log file is Name.log in the cluster's folder.
	Name string
	// Clients is the proxy that clients connect through.
	Clients *tcpproxy.Proxy
	// Listen is the proxy between the instance's LISTEN connection and Postgres.
	Listen *tcpproxy.Proxy

	program string
	env     []string
	log     string

	mu      sync.Mutex     // guards the fields below
	address string         // where the process listens; each process gets another port
	proc    *child.Process // the last one; nil before the first start
}

// newInstance makes the proxies of an instance. It starts no process.
func (c *Cluster) newInstance(number int) (_ *Instance, err error) {
	i := &Instance{
		Name: fmt.Sprintf("instance-%d", number), program: c.cfg.Program, env: c.env(),
	}
	i.log = filepath.Join(c.dir, i.Name+".log")
	if i.Clients, err = tcpproxy.Listen(i.dial); err != nil {
		return nil, err
	}
	if i.Listen, err = tcpproxy.Listen(c.dialPostgres); err != nil {
		return nil, errors.Join(err, i.Clients.Close())
	}
	dsn, err := c.dsnThrough(i.Listen.Addr())
	i.env = append(i.env, "TIDINGS_LISTEN_URL="+dsn)
	return i, err
}

func (i *Instance) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", i.Address())
}

// Address is where the current process listens, past the proxy. It changes with each
// Start.
func (i *Instance) Address() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.address
}

// URL is the address for clients. It goes through the proxy and stays the same when
// the instance restarts.
func (i *Instance) URL() string { return "http://" + i.Clients.Addr() }

// Start starts the process and returns when it is ready to deliver. It returns an
// error if the process ends first or is not ready within two minutes.
func (i *Instance) Start(ctx context.Context) error {
	address, err := child.FreeAddress()
	if err != nil {
		return err
	}
	if err := i.spawn(address); err != nil {
		return fmt.Errorf("start %s: %w", i.Name, err)
	}
	return i.awaitReady(ctx)
}

// Kill ends the process with SIGKILL and returns when it is gone.
func (i *Instance) Kill() error { return i.end(syscall.SIGKILL) }

// Stop asks the process to end with SIGTERM and returns when it is gone. A process
// that is still there after a minute is killed, and Stop returns an error.
func (i *Instance) Stop() error { return i.end(syscall.SIGTERM) }

// awaitReady returns when the process is ready to deliver.
func (i *Instance) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := i.process().Await(ctx, func() bool { return i.ready(ctx) }); err != nil {
		return fmt.Errorf("%s is not ready, see %s: %w", i.Name, i.log, err)
	}
	return nil
}

// ready asks the process itself, past the proxy.
func (i *Instance) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.Address()+"/readyz", nil)
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

func (i *Instance) spawn(address string) error {
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()                                          // the process has a copy
	cmd := exec.Command(i.program, "serve", "--addr", address) // no context: end ends it
	cmd.Env, cmd.Stdout, cmd.Stderr = i.env, log, log
	proc, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.address, i.proc = address, proc
	return nil
}

// process is the last process that was started, nil if there was none.
func (i *Instance) process() *child.Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.proc
}

func (i *Instance) end(sig syscall.Signal) error {
	proc := i.process()
	if proc == nil {
		return nil
	}
	if err := proc.Stop(sig, endLimit); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	return nil
}

// close ends the process and both proxies.
func (i *Instance) close() error {
	return errors.Join(i.Kill(), i.Clients.Close(), i.Listen.Close())
}
