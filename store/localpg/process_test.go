//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// postmaster reads the process id of the server in dir, 0 when it has none.
func postmaster(dir string) int {
	text, _ := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// owner runs a process that owns a server in dir.
func owner(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerDir+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil { // the owner waits for its end
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("owner: %s%v", line, err)
	}
	return cmd
}

func TestServer_DiesWithItsOwner(t *testing.T) {
	t.Parallel()

	dir := storetest.Cluster(t)
	cmd := owner(t, dir)
	pid := postmaster(dir)
	if pid == 0 {
		t.Fatal("no postmaster")
	}
	kill(t, cmd.Process.Pid)
	streamtest.Eventually(t, "a shutdown that removes postmaster.pid", func() bool { return postmaster(dir) == 0 })
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "received fast shutdown request") {
		t.Errorf("not a fast shutdown:\n%s", log)
	}
}

func TestStart_WaitsForTheServerOfAKilledOwner(t *testing.T) {
	t.Parallel()

	dir := storetest.Cluster(t)
	cmd := owner(t, dir)
	kill(t, cmd.Process.Pid)
	cmd.Wait() // Postgres is no child of the test and still shuts down
	query(t, start(t, localpg.Config{Dir: dir}), `select 'alive'`)
}

func TestServer_ClosesDoneWhenKilled(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t)})
	query(t, server, `create table kept as select 'committed' as word`)
	kill(t, postmaster(server.Dir()))
	<-server.Done()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, server, `select word from kept`); got != "committed" {
		t.Errorf("kept %q", got)
	}
}

func TestServer_IsAloneInItsProcessGroup(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t)})
	pid := postmaster(server.Dir())
	group, err := syscall.Getpgid(pid)
	if err != nil || group != pid {
		t.Errorf("postmaster %d is in group %d: %v", pid, group, err)
	}
	ours := pipes(os.Getpid())
	for pipe := range pipes(pid) {
		if ours[pipe] && !inherited[pipe] {
			t.Errorf("the postmaster inherits the pipe of the watcher, %s", pipe)
		}
	}
	stop(t, server)
	streamtest.Eventually(t, "an empty process group", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
}

// inherited are the pipes that this process was started with. None is that of a watcher.
var inherited = pipes(os.Getpid())

// pipes returns the pipes that a process has open; none on a system without /proc.
func pipes(pid int) map[string]bool {
	open := map[string]bool{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "pipe:") {
			open[to] = true
		}
	}
	return open
}

func TestStart_IgnoresAStaleProcessID(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t)})
	pidFile := filepath.Join(server.Dir(), "data", "postmaster.pid")
	kill(t, postmaster(server.Dir())) // leaves the file behind
	<-server.Done()
	// After a reboot, another process of the same user may have the id.
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s", bystander(t, pidFile), rest), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Error(err)
	}
}

// bystander runs a process that is not Postgres as the owner of file.
func bystander(t *testing.T, file string) int {
	t.Helper()
	cmd := exec.Command("cat")
	if stat := statOf(t, file); int(stat.Uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func statOf(t *testing.T, file string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root runs Postgres as another user")
	}
}

func TestStart_AsRootFindsAReachableDirectory(t *testing.T) {
	t.Parallel()
	needsRoot(t)

	dir := filepath.Join(t.TempDir(), "closed") // below a directory of root's with mode 0700
	first := start(t, localpg.Config{Dir: dir})
	t.Cleanup(func() { os.RemoveAll(first.Dir()) })
	if first.Dir() == dir {
		t.Fatalf("the server is in %s, which its user cannot reach", dir)
	}
	if info, err := os.Stat(first.Dir()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is not private: %v %v", info, err)
	}
	query(t, first, `create table kept as select 'here' as word`)
	stop(t, first)

	second := start(t, localpg.Config{Dir: dir})
	if got := query(t, second, `select word from kept`); got != "here" {
		t.Errorf("the next run found %q", got)
	}
}

// TestStart_AsOrdinaryUser runs the tests of processes again as an unprivileged user.
func TestStart_AsOrdinaryUser(t *testing.T) {
	t.Parallel()
	needsRoot(t)

	// The directory of the test binary may be closed to other users.
	dir, err := os.MkdirTemp("", "localpg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "localpg.test")
	copyFile(t, os.Args[0], binary)

	cmd := exec.CommandContext(t.Context(), binary, "-test.run=DiesWithItsOwner|RecoversFromCrash|IgnoresAStaleProcessID")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// copyFile copies a program. Another process writes the copy: a program cannot be started
// while it is open for writing, and any child that this process starts at that moment has its
// open files until it runs another program.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("install", "-m", "755", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
