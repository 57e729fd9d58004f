package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/store/localpg/child"
)

// floor is the program that only writes: this program, started again to run serveFloor.
type floor struct{}

// name implements [peer].
func (floor) name() string { return "the floor" }

// about implements [peer]. The floor is built with this program, so it has no version.
func (floor) about(context.Context) string {
	return "a program that accepts connections, reads requests and writes the bytes that Tidings writes for an event to each connection by send(2), one after another; it has no hub, no log, no buffers and one thread"
}

// withServer implements [peer]. The floor has one topic only.
func (floor) withServer(ctx context.Context, _, topics int, fn func(peerServer) error) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	if topics != 1 {
		return fmt.Errorf("the floor has one topic, not %d", topics)
	}
	addr, err := child.FreeAddress()
	if err != nil {
		return err
	}
	return runFor(ctx, exec.Command(program, "floor", addr), addr, func(pid int) error {
		url := "http://" + addr
		return fn(peerServer{
			stream:  bench.Stream{URL: url, Paths: []string{"/"}, Event: eventName, PID: pid},
			publish: poster(url),
		})
	})
}
