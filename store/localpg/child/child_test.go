//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// asParent tells the test binary, started again, to start a child of its own, print
// the child's process id, and wait to be killed.
const asParent = "CHILD_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		p, err := child.Start(shell("while :; do sleep 1; done"), syscall.SIGKILL)
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(p.Pid())
		select {}
	}
	goleak.VerifyTestMain(m)
}

// shell is a command that runs a script.
func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

// start starts a script, which is killed when the test ends.
func start(t *testing.T, script string) *child.Process {
	t.Helper()
	p, err := child.Start(shell(script), 0)
	streamtest.Must(t, err)
	t.Cleanup(p.Kill)
	return p
}

// awaitFile waits until a child has made a file.
func awaitFile(t *testing.T, p *child.Process, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), streamtest.Patience)
	defer cancel()
	streamtest.Must(t, p.Await(ctx, func() bool {
		_, err := os.Stat(name)
		return err == nil
	}))
}

func TestStart_NamesTheProgramThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := child.Start(exec.Command("/no/such/program"), 0)
	streamtest.WantErr(t, err, os.ErrNotExist)
	if err != nil && !strings.Contains(err.Error(), "start program:") {
		t.Errorf("the error does not name the program: %v", err)
	}
}

func TestStart_MakesAProcessGroup(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 600")
	group, err := syscall.Getpgid(p.Pid())
	streamtest.Must(t, err)
	streamtest.Want(t, "the process group", group, p.Pid())
}

func TestProcess_ReportsItsEnd(t *testing.T) {
	t.Parallel()
	p := start(t, "exit 3")
	<-p.Done()
	streamtest.Want(t, "the exit status", p.State().ExitCode(), 3)
	if err := new(exec.ExitError); !errors.As(p.Err(), &err) {
		t.Errorf("Err is %v, want an ExitError", p.Err())
	}
	streamtest.Must(t, p.Signal(syscall.SIGTERM)) // the process has ended: no error
	streamtest.Must(t, p.Stop(syscall.SIGTERM, time.Minute))
}

func TestStop_WaitsForTheProcessToEnd(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	p := start(t, `trap "exit 7" TERM; : >`+ready+`; while :; do sleep 0.01; done`)
	awaitFile(t, p, ready)
	streamtest.Must(t, p.Stop(syscall.SIGTERM, streamtest.Patience))
	streamtest.Want(t, "Ended", p.Ended(), true)
	streamtest.Want(t, "the exit status", p.State().ExitCode(), 7)
}

func TestStop_KillsAProcessThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	p := start(t, `trap "" TERM; : >`+ready+`; while :; do sleep 0.01; done`)
	awaitFile(t, p, ready)
	if err := p.Stop(syscall.SIGTERM, 10*time.Millisecond); err == nil {
		t.Error("Stop returned no error")
	}
	streamtest.Want(t, "Ended", p.Ended(), true)
}

func TestAwait_ReturnsWhenTheProcessHasEnded(t *testing.T) {
	t.Parallel()
	p := start(t, "exit 3")
	err := p.Await(t.Context(), func() bool { return false })
	streamtest.WantErr(t, err, child.ErrEnded)
	if err != nil && !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the error does not give the exit status: %v", err)
	}
}

func TestAwait_ReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	err := p.Await(ctx, func() bool { cancel(); return false })
	streamtest.WantErr(t, err, context.Canceled)
	streamtest.Want(t, "Ended", p.Ended(), false)
}

func TestProcess_DiesWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux signals the death of a parent")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	streamtest.Must(t, err)
	streamtest.Must(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = parent.Process.Kill()
	_ = parent.Wait()
	streamtest.Must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	streamtest.Must(t, err)
	streamtest.Eventually(t, "the child has died with its parent", func() bool { return !runs(pid) })
}

// runs reports whether the process with this id exists and is not a zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A program on this machine may take an address before the test listens on it, so the
// test tries several.
func TestFreeAddress_CanBeListenedOn(t *testing.T) {
	t.Parallel()
	streamtest.Eventually(t, "an address can be listened on", func() bool {
		address, err := child.FreeAddress()
		streamtest.Must(t, err)
		socket, err := net.Listen("tcp", address)
		if err == nil {
			err = socket.Close()
		}
		return err == nil
	})
}
