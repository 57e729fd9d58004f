package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// lookEvery is the time between two calls of the function given to Await.
const lookEvery = 20 * time.Millisecond

// ErrEnded means that a process has ended before it was ready. The error that wraps
// it gives the exit status.
var ErrEnded = errors.New("the process has ended")

// Process is a child process that was started. Its methods may be called from any
// goroutine.
type Process struct {
	cmd  *exec.Cmd
	name string        // the program's, for errors
	done chan struct{} // closed when the process has ended
	err  error         // as Wait returned it; written before done is closed
}

// Start starts cmd in a new process group. A cmd with a SysProcAttr keeps its other
// attributes. The process is independent of any context: it runs until it ends by
// itself or a signal ends it.
//
// orphaned is the signal that the kernel sends to the child when this process dies; 0
// sends none, and so do systems other than Linux.
func Start(cmd *exec.Cmd, orphaned syscall.Signal) (*Process, error) {
	setAttr(cmd, orphaned)
	p := &Process{cmd: cmd, name: filepath.Base(cmd.Path), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		if orphaned != 0 {
			// Linux sends the signal when the thread that started the child ends, so
			// that thread has to live as long as the child.
			runtime.LockOSThread()
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the process has ended and its output has
// been written.
func (p *Process) Done() <-chan struct{} { return p.done }

// State describes how the process has ended. It may be called once Done is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Err is nil if the process has ended with status 0, else an [*exec.ExitError]. It may
// be called once Done is closed.
func (p *Process) Err() error { return p.err }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends sig to the process. It does nothing if the process has ended.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", sig, p.name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and returns when it has ended.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if the process has ended
	<-p.done
}

// Stop sends sig and returns when the process has ended. A process that has not ended
// after patience is killed, and Stop returns an error. Stop ignores the exit status, which
// Err returns.
func (p *Process) Stop(sig os.Signal, patience time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-p.done:
		return nil
	case <-timeout.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %v of signal %v, and was killed", p.name, patience, sig)
	}
}

// Await calls ready every 20 ms until it returns true. It returns an error that wraps
// ErrEnded if the process ends first, and the cause of ctx if ctx ends first.
func (p *Process) Await(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("start %s: %w: %v", p.name, ErrEnded, p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s does not become ready: %w", p.name, context.Cause(ctx))
		}
	}
	return nil
}
