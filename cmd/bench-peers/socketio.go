package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/store/localpg/child"
)

//go:embed socketio/package.json socketio/package-lock.json socketio/server.js
var socketFiles embed.FS

// socketIO is Socket.IO on Node.js, installed by npm in a folder.
type socketIO struct {
	dir string
}

// installSocketIO installs the versions of package-lock.json in dir. It needs npm, and
// downloads the packages.
func installSocketIO(ctx context.Context, dir string) (socketIO, error) {
	files, err := fs.Sub(socketFiles, "socketio")
	if err == nil {
		err = os.CopyFS(dir, files)
	}
	if err != nil {
		return socketIO{}, fmt.Errorf("copy files: %w", err)
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir, npm.Stdout, npm.Stderr = dir, os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return socketIO{}, fmt.Errorf("install Socket.IO by npm: %w", err)
	}
	return socketIO{dir}, nil
}

// name implements [peer].
func (socketIO) name() string { return "Socket.IO" }

// about implements [peer]. The version is that of the installed package.
func (s socketIO) about(ctx context.Context) string {
	version := outputOf(ctx, "node", "-p", "require('"+filepath.Join(s.dir, "node_modules/socket.io/package.json")+"').version")
	return fmt.Sprintf("%s on Node.js %s; by WebSocket or, for polls, by HTTP (Engine.IO 4, no compression); events are published through an HTTP endpoint in the same process; events have no numbers, so readers cannot resume and the order is not checked",
		version, strings.TrimPrefix(outputOf(ctx, "node", "--version"), "v"))
}

// withServer implements [peer]. The server has one topic only.
func (s socketIO) withServer(ctx context.Context, _, topics int, fn func(peerServer) error) error {
	if topics != 1 {
		return errors.New("Socket.IO is measured with one topic")
	}
	addr, err := child.FreeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("find port: %w", err)
	}
	cmd := exec.Command("node", "server.js", port)
	cmd.Dir = s.dir
	return runFor(ctx, cmd, addr, func(pid int) error {
		url := "http://" + addr
		return fn(peerServer{
			stream:  bench.Stream{URL: url, Paths: []string{"/socket.io/?EIO=4&transport=websocket"}, Protocol: bench.SocketIO, Event: eventName, PID: pid, IncludeChildren: true},
			poll:    bench.Stream{URL: url, Paths: []string{"/socket.io/?EIO=4&transport=polling"}, Protocol: bench.SocketIOPoll, Event: eventName, PID: pid, IncludeChildren: true},
			publish: poster(url + "/publish"),
		})
	})
}
