package main

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
	"syscall"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

const (
	eventName    = "bench.message"
	startTimeout = 30 * time.Second
	stopTimeout  = 20 * time.Second
)

// A contestant is a server that can be measured.
type contestant interface {
	name() string
	// about says which version it is and how it is set up, for the page. Called after
	// the visits.
	about(ctx context.Context) string
	// visit runs a server for so many readers, in streams of so many topics, for as
	// long as fn.
	visit(ctx context.Context, readers, topics int, fn func(site) error) error
}

// A site is a contestant's server that runs.
type site struct {
	stream  bench.Stream
	poll    bench.Stream // without paths where it has no long-poll that is measured
	publish bench.Publish
}

// A program is a server's process.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read it after done
}

// start runs a program, whose remarks go to our standard error.
func start(cmd *exec.Cmd) (*program, error) {
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &program{cmd: cmd, done: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop ends it, in order when it does so within its time.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// listens waits until somebody accepts connections at the address.
func (p *program) listens(ctx context.Context, addr string) error {
	ended := false
	err := bench.Await(ctx, startTimeout, func() bool {
		select {
		case <-p.done:
			ended = true
			return true
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	if ended {
		return fmt.Errorf("%s ended: %w", p.cmd.Path, cmp.Or(p.err, io.EOF))
	}
	if err != nil {
		return fmt.Errorf("%s does not listen: %w", p.cmd.Path, err)
	}
	return nil
}

// runFor runs a program that listens at an address, for as long as fn.
func runFor(ctx context.Context, cmd *exec.Cmd, addr string, fn func(pid int) error) error {
	p, err := start(cmd)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.listens(ctx, addr); err != nil {
		return err
	}
	return fn(p.cmd.Process.Pid)
}

// freeAddr is one where nobody listens at the moment.
func freeAddr() (string, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find port: %w", err)
	}
	return socket.Addr().String(), socket.Close()
}

// poster publishes by posting the data to a URL for each path.
func poster(urls ...string) bench.Publish {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return func(ctx context.Context, path int, data []byte) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, urls[path], bytes.NewReader(data))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-EventSource-Event", eventName) // Nchan's name for the event's name
		answer, err := c.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if answer.StatusCode/100 != 2 {
			err = fmt.Errorf("publish: %s", answer.Status)
		}
		return errors.Join(err, answer.Body.Close())
	}
}

// pathsOf are as many paths as there are topics.
func pathsOf(format string, topics int) []string {
	paths := make([]string, topics)
	for i := range paths {
		paths[i] = fmt.Sprintf(format, i)
	}
	return paths
}

// outputOf is what a program prints, in one line, for the page.
func outputOf(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	return string(bytes.Join(bytes.Fields(out), []byte{' '}))
}
