package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// tidings is this program, with its own Postgres that writes to disk with fsync.
type tidings struct {
	program string
	machine *bench.Machine // of the last withServer
}

// name implements [peer].
func (tidings) name() string { return "Tidings" }

// about names the commit of the working folder, which the program should be built from.
func (t tidings) about(ctx context.Context) string {
	commit := outputOf(ctx, "git", "describe", "--always", "--dirty")
	return fmt.Sprintf("commit %s; `tidings dev`; events are published by `POST /v1/publish`; with its own Postgres %s (fsync %s, synchronous_commit %s), whose CPU time and memory are not counted as the server's",
		commit, t.machine.Postgres, t.machine.Fsync, t.machine.Commit)
}

// withServer implements [peer]. The publisher is a user with the role service.
func (t tidings) withServer(ctx context.Context, readers, topics int, fn func(peerServer) error) error {
	return bench.WithOwnServer(ctx, t.program, os.Environ(), readers, os.Stderr, func(s bench.Server) error {
		*t.machine = s.Machine
		token, err := auth.SignToken(s.Secret, auth.Identity{
			Subject: "publisher", Roles: []string{auth.RoleService}, Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			return err
		}
		c, err := client.New(s.URL)
		if err != nil {
			return err
		}
		defer c.CloseIdleConnections()
		publisher, names := c.As(token), pathsOf("post:peers-%d", topics)
		return fn(peerServer{
			stream: bench.Stream{URL: s.URL, Paths: pathsOf("/v1/events?topic=post:peers-%d", topics), Event: eventName, PID: s.PID},
			poll:   bench.Stream{URL: s.URL, Paths: names, Protocol: bench.TidingsPoll, Event: eventName, PID: s.PID},
			publish: func(ctx context.Context, path int, data []byte) error {
				return publisher.Publish(ctx, names[path], eventName, json.RawMessage(data))
			},
		})
	})
}
