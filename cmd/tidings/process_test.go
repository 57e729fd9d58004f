package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
)

// The program as a process of its own, with a Postgres of its own, ended in each way
// that it can end. What was written stays, so each life follows on the one before.
func TestDev(t *testing.T) {
	t.Parallel()
	dir := storetest.Dir(t)
	must(t, os.Chmod(dir, 0o755)) // root's Postgres runs as somebody else

	t.Run("LeavesInOrderWhenAskedTo", func(t *testing.T) {
		p := startDev(t, dir)
		srv, postgres := p.server(t), postmaster(t, dir)
		ann := srv.As(signed(t, dir, "ann"))
		comment(t, ann, demoPost, "stays")
		streams := []*tap{
			sse(t, srv.Client, "now", "post:demo"), sse(t, srv.Client, "earliest", "post:demo", "post:other"), sse(t, ann, "now", "me"),
		}
		for _, x := range streams {
			x.await(t, "the beginning", named("stream.ready"))
		}
		streams[1].await(t, "the comment", saying("stays"))
		polled := pollInBackground(t, srv)

		began := time.Now()
		must(t, p.cmd.Process.Signal(syscall.SIGTERM))
		for _, x := range streams {
			bye := x.await(t, "bye", named("stream.bye"))
			want(t, "bye", string(bye.Data), `{"reason":"shutdown"}`)
			wantEnd(t, x)
		}
		must(t, <-polled)
		want(t, "exit status", p.wait(t), 0)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("leaving took %v", took)
		}
		wantGone(t, postgres)
	})

	t.Run("TakesPostgresAlongWhenKilled", func(t *testing.T) {
		p := startDev(t, dir)
		postgres := postmaster(t, dir)
		list, err := p.server(t).Comments(t.Context(), demoPost, client.ListOptions{})
		must(t, err)
		want(t, "the newest comment", list.Data[0].Body, "stays")
		must(t, p.cmd.Process.Kill())
		want(t, "exit status", p.wait(t), -1)
		wantGone(t, postgres)
	})

	t.Run("EndsWithItsPostgres", func(t *testing.T) {
		p := startDev(t, dir)
		postgres := postmaster(t, dir)
		x := sse(t, p.server(t).Client, "now", "post:demo")
		must(t, syscall.Kill(postgres.pid, syscall.SIGINT))
		want(t, "bye", string(x.await(t, "bye", named("stream.bye")).Data), `{"reason":"shutdown"}`)
		want(t, "exit status", p.wait(t), 1)
		if said := p.said.String(); !strings.Contains(said, errPostgresGone.Error()) {
			t.Errorf("it did not say why:\n%s", said)
		}
		wantGone(t, postgres)
	})
}

// pollInBackground waits at a poll that nothing answers but the server's end.
func pollInBackground(t *testing.T, srv *server) <-chan error {
	t.Helper()
	head, err := srv.Poll(t.Context(), []string{"post:quiet"}, "now", 0, 0)
	must(t, err)
	answered := make(chan error, 1)
	ctx := patient(t)
	go func() {
		page, err := srv.Poll(ctx, []string{"post:quiet"}, head.Cursor, patience, 0)
		if err == nil && (len(page.Events) > 0 || page.Cursor != head.Cursor) {
			err = errors.New("the poll brought something")
		}
		answered <- err
	}()
	eventually(t, "the poll waits", func() bool {
		answer := srv.get(t, "/metrics", nil)
		defer answer.Body.Close()
		metrics, err := io.ReadAll(answer.Body)
		must(t, err)
		return bytes.Contains(metrics, []byte("\n"+`tidings_readers{transport="poll"} 1`+"\n"))
	})
	return answered
}

// A program is the test binary as another process.
type program struct {
	cmd    *exec.Cmd
	url    string
	said   *lines // on standard error
	exited chan struct{}
}

var pageAddress = regexp.MustCompile(`Open (http://[0-9.:]+)/ in a browser`)

// startDev runs 'tidings dev' in a folder until the test ends, and returns when it
// has said where it is.
func startDev(t *testing.T, dir string) *program {
	t.Helper()
	out := newLines()
	p := &program{said: newLines(), exited: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "dev", "--dir", dir, "--addr", "127.0.0.1:0")
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = out, io.MultiWriter(p.said, t.Output())
	must(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // how it ended is in its ProcessState
		out.Close()
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	p.url = out.await(t, pageAddress)
	return p
}

func (p *program) server(t *testing.T) *server {
	t.Helper()
	srv := newServer(t, p.url)
	srv.awaitReady(t)
	return srv
}

// wait waits for the process to end and returns its exit status, -1 after a signal.
func (p *program) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("the process does not end")
		return 0
	}
}

// signed is a token of the folder's own key.
func signed(t *testing.T, dir, user string) string {
	t.Helper()
	secret, err := devSecret(dir)
	must(t, err)
	made, err := auth.SignToken(secret, auth.Identity{Subject: user, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	return made
}

// A master is the first process of a Postgres, and the file that says it runs.
type master struct {
	pid  int
	file string
}

func postmaster(t *testing.T, dir string) master {
	t.Helper()
	m := master{file: filepath.Join(dir, "postgres", "data", "postmaster.pid")}
	text, err := os.ReadFile(m.file)
	must(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	m.pid, err = strconv.Atoi(line)
	must(t, err)
	return m
}

// wantGone wants Postgres to have shut down, and not only to be dead.
func wantGone(t *testing.T, m master) {
	t.Helper()
	eventually(t, "Postgres has shut down", func() bool {
		_, err := os.Stat(m.file)
		return errors.Is(err, fs.ErrNotExist)
	})
	eventually(t, "the process of Postgres is gone", func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
		unreaped := bytes.Contains(stat, []byte(") Z ")) // by whoever has process 1
		return unreaped || errors.Is(syscall.Kill(m.pid, 0), syscall.ESRCH)
	})
}
