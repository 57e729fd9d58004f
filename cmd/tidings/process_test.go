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
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The subtests run 'tidings dev' as another process in one folder, one after the other,
// and end it in different ways. Each finds the data that the one before wrote.
func TestDev(t *testing.T) {
	t.Parallel()
	dir := storetest.Dir(t)
	streamtest.Must(t, os.Chmod(dir, 0o755)) // if we are root, Postgres runs as another user

	t.Run("EndsStreamsAndPollsAndThenStops", func(t *testing.T) {
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
		command(t, "dev", "--dir", dir, "--addr", "127.0.0.1:0").wants(t, 1, "running already: open "+p.url+"/ in a browser")

		streamtest.Must(t, p.cmd.Process.Signal(syscall.SIGTERM))
		for _, x := range streams {
			bye := x.await(t, "bye", named("stream.bye"))
			streamtest.Want(t, "bye", string(bye.Data), `{"reason":"shutdown"}`)
			wantEnd(t, x)
		}
		streamtest.Must(t, <-polled)
		streamtest.Want(t, "the exit status", p.wait(t), 0) // 1 if the drain time was not enough
		wantGone(t, postgres)
	})

	t.Run("StopsPostgresWhenItIsKilled", func(t *testing.T) {
		p := startDev(t, dir)
		postgres := postmaster(t, dir)
		list, err := p.server(t).Comments(t.Context(), demoPost, client.ListOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the newest comment", list.Data[0].Body, "stays")
		streamtest.Must(t, p.cmd.Process.Kill())
		streamtest.Want(t, "the exit status", p.wait(t), -1)
		wantGone(t, postgres)
	})

	t.Run("StopsWhenItsPostgresEnds", func(t *testing.T) {
		p := startDev(t, dir)
		postgres := postmaster(t, dir)
		x := sse(t, p.server(t).Client, "now", "post:demo")
		streamtest.Must(t, syscall.Kill(postgres.pid, syscall.SIGINT))
		streamtest.Want(t, "bye", string(x.await(t, "bye", named("stream.bye")).Data), `{"reason":"shutdown"}`)
		streamtest.Want(t, "the exit status", p.wait(t), 1)
		if said := p.said.String(); !strings.Contains(said, errPostgresGone.Error()) {
			t.Errorf("the reason is not in the log:\n%s", said)
		}
		wantGone(t, postgres)
	})
}

// pollInBackground polls a topic without events, and returns when the server counts the
// poll as waiting. The error of the poll is sent to the channel.
func pollInBackground(t *testing.T, srv *server) <-chan error {
	t.Helper()
	head, err := srv.Poll(t.Context(), []string{"post:quiet"}, "now", 0, 0)
	streamtest.Must(t, err)
	answered := make(chan error, 1)
	ctx := patient(t)
	go func() {
		page, err := srv.Poll(ctx, []string{"post:quiet"}, head.Cursor, longPoll, 0)
		if err == nil && (len(page.Events) > 0 || page.Cursor != head.Cursor) {
			err = errors.New("the poll got an event or another cursor")
		}
		answered <- err
	}()
	streamtest.Eventually(t, "the poll waits", func() bool {
		answer := srv.get(t, "/metrics", nil)
		defer answer.Body.Close()
		metrics, err := io.ReadAll(answer.Body)
		streamtest.Must(t, err)
		return bytes.Contains(metrics, []byte("\n"+`tidings_readers{transport="poll"} 1`+"\n"))
	})
	return answered
}

// A program is the test binary, run as tidings in another process.
type program struct {
	cmd    *exec.Cmd
	url    string
	said   *lines // standard error
	exited chan struct{}
}

var pageAddress = regexp.MustCompile(`Open (http://[0-9.:]+)/ in a browser`)

// startDev runs 'tidings dev' in a folder until the test ends, and returns when it has
// printed its address.
func startDev(t *testing.T, dir string) *program {
	t.Helper()
	out := newLines()
	p := &program{said: newLines(), exited: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "dev", "--dir", dir, "--addr", "127.0.0.1:0")
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = out, io.MultiWriter(p.said, t.Output())
	streamtest.Must(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // wait returns the status
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

// wait returns the exit status when the process has ended. It is -1 after a signal.
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

// signed signs a token with the key in the folder of dev.
func signed(t *testing.T, dir, user string) string {
	t.Helper()
	secret, err := devSecret(dir)
	streamtest.Must(t, err)
	made, err := auth.SignToken(secret, auth.Identity{Subject: user, Expires: time.Now().Add(time.Hour)})
	streamtest.Must(t, err)
	return made
}

// A postmasterProcess is the first process of a Postgres.
type postmasterProcess struct {
	pid  int
	file string // exists while Postgres runs
}

func postmaster(t *testing.T, dir string) postmasterProcess {
	t.Helper()
	m := postmasterProcess{file: filepath.Join(dir, "postgres", "data", "postmaster.pid")}
	text, err := os.ReadFile(m.file)
	streamtest.Must(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	m.pid, err = strconv.Atoi(line)
	streamtest.Must(t, err)
	return m
}

// wantGone waits until Postgres has shut down in order, which removes its file, and its
// process is gone.
func wantGone(t *testing.T, m postmasterProcess) {
	t.Helper()
	streamtest.Eventually(t, "Postgres has shut down", func() bool {
		_, err := os.Stat(m.file)
		return errors.Is(err, fs.ErrNotExist)
	})
	streamtest.Eventually(t, "the process of Postgres is gone", func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
		unreaped := bytes.Contains(stat, []byte(") Z ")) // a zombie, which process 1 has to reap
		return unreaped || errors.Is(syscall.Kill(m.pid, 0), syscall.ESRCH)
	})
}
