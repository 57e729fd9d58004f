package main

import (
	"bytes"
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
	"github.com/tidings-live/tidings/store/localpg/child"
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

// listens waits until the process accepts connections at the address.
func listens(ctx context.Context, p *child.Process, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return p.Await(ctx, func() bool {
		conn, err := net.Dial("tcp", addr)
		return err == nil && conn.Close() == nil
	})
}

// runFor runs a program that listens at an address, for as long as fn.
func runFor(ctx context.Context, cmd *exec.Cmd, addr string, fn func(pid int) error) (err error) {
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop(syscall.SIGTERM, stopTimeout)) }()
	if err := listens(ctx, p, addr); err != nil {
		return err
	}
	return fn(p.Pid())
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
