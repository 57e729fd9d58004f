package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"

	"github.com/tidings-live/tidings/store/localpg/child"
)

// A place is where a program with a configuration file runs.
type place struct {
	dir  string // a temporary folder
	conf string // path of the configuration, which is in the folder
	addr string // a free address to listen on
	user string // of this process
}

// runConfigured writes a configuration into a temporary folder and runs the command for it while
// fn runs. fn gets the id of the process and its URL. The folder is removed afterwards.
func runConfigured(ctx context.Context, conf func(place) string, command func(place) *exec.Cmd, fn func(pid int, url string) error) (err error) {
	dir, err := os.MkdirTemp("", "tidings-peers-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addr, err := child.FreeAddress()
	if err != nil {
		return err
	}
	who, err := user.Current()
	if err != nil {
		return fmt.Errorf("find own user: %w", err)
	}
	at := place{dir: dir, conf: filepath.Join(dir, "conf"), addr: addr, user: who.Username}
	if err := os.WriteFile(at.conf, []byte(conf(at)), 0o600); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return runFor(ctx, command(at), addr, func(pid int) error { return fn(pid, "http://"+addr) })
}
