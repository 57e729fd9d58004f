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

// socketIO is Socket.IO on Node.js, in a folder that npm fills.
type socketIO struct {
	dir string
}

// installSocketIO fills the folder.
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

func (socketIO) name() string { return "Socket.IO" }

func (s socketIO) about(ctx context.Context) string {
	version := outputOf(ctx, "node", "-p", "require('"+filepath.Join(s.dir, "node_modules/socket.io/package.json")+"').version")
	return fmt.Sprintf("%s on Node.js %s; by WebSocket (Engine.IO 4, no compression), published to by an HTTP endpoint in its own process; it has no cursor to resume from, and numbers nothing, so the order of its events is not judged",
		version, strings.TrimPrefix(outputOf(ctx, "node", "--version"), "v"))
}

func (s socketIO) visit(ctx context.Context, _, topics int, fn func(site) error) error {
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
		return fn(site{
			stream:  bench.Stream{URL: url, Paths: []string{"/socket.io/?EIO=4&transport=websocket"}, SocketIO: true, Event: eventName, PID: pid, IncludeChildren: true},
			publish: poster(url + "/publish"),
		})
	})
}
