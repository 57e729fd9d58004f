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
	eventName    = "bench.message"  // name of all events
	startTimeout = 30 * time.Second // longest time until a server accepts connections
	stopTimeout  = 20 * time.Second // longest time until a server has ended after SIGTERM
)

// A peer is a program that serves events.
type peer interface {
	// name is the peer's name on the page and for the flag --peers.
	name() string
	// about describes the version and the settings, for the page. It is called after the
	// last withServer.
	about(ctx context.Context) string
	// withServer starts a server for a number of readers, with a stream for each topic,
	// calls fn, and stops the server. It returns the error of fn, or an error if the server
	// cannot be started or does not stop.
	withServer(ctx context.Context, readers, topics int, fn func(peerServer) error) error
}

// A peerServer is a running server of a peer.
type peerServer struct {
	stream  bench.Stream  // how readers connect, with one path for each topic
	poll    bench.Stream  // how readers poll; zero if polls of this peer are not measured
	publish bench.Publish // sends an event to the topic with the index of a path
}

// listens waits until the process accepts connections at the address. It returns an error if
// the process ends first or startTimeout passes.
func listens(ctx context.Context, p *child.Process, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return p.Await(ctx, func() bool {
		conn, err := net.Dial("tcp", addr)
		return err == nil && conn.Close() == nil
	})
}

// runFor starts a program, waits until it listens at the address, calls fn with its process
// id, and stops it. The output of the program goes to standard error.
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

// poster returns a function that publishes by POST of the data to urls[path]. It returns an
// error for a status other than 2xx. It keeps up to 64 idle connections.
func poster(urls ...string) bench.Publish {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return func(ctx context.Context, path int, data []byte) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, urls[path], bytes.NewReader(data))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-EventSource-Event", eventName) // how Nchan takes the event's name
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

// pathsOf returns one path for each topic: format with the number of the topic, from 0.
func pathsOf(format string, topics int) []string {
	paths := make([]string, topics)
	for i := range paths {
		paths[i] = fmt.Sprintf(format, i)
	}
	return paths
}

// outputOf returns the output of a program in one line, or "unknown" if the program fails.
// The page can then be written without that detail.
func outputOf(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	return string(bytes.Join(bytes.Fields(out), []byte{' '}))
}
