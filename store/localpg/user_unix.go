//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is who Postgres runs as: ourselves, or an unprivileged user in root's
// stead, because Postgres refuses to run as root.
type account struct {
	uid, gid int
	dropped  bool // we are root, the account is not
}

// accountFor chooses the account that serves dir. Root steps down to the owner of
// dir, so that a directory of the developer's stays the developer's; else to the
// user that the Postgres package made; else to nobody.
func accountFor(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return account{}, err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if u, err := user.LookupId(strconv.Itoa(owner)); err == nil && owner != 0 {
		return dropTo(u)
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return dropTo(u)
		}
	}
	return account{}, errors.New("no user postgres or nobody to run it as, and as root it refuses to run")
}

func dropTo(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("id of user %s: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("group of user %s: %w", u.Username, err)
	}
	return account{uid: uid, gid: gid, dropped: true}, nil
}

// process is how a child runs as the account, in a process group of its own.
func (a account) process() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.dropped {
		// No supplementary groups: root's must not come along.
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// own gives path to the account; a link is not followed. What we make as ourselves
// is ours already.
func (a account) own(path string) error {
	if !a.dropped {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// open opens a file for appending, and makes it, the account's, when it is missing.
// A link is refused: where root writes, nobody else may say which file that is.
func (a account) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := a.own(path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mayOwn tells whether a file is the account's, or root's who is about to hand it over.
func (a account) mayOwn(info fs.FileInfo) bool {
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	return uid == a.uid || a.dropped && uid == 0
}

// reaches tells whether the account can enter dir and write in it. It asks the
// kernel, as that user: modes alone would not tell of ACLs and mounts.
func (a account) reaches(dir string) bool {
	cmd := exec.Command("/bin/sh", "-c", `cd -P -- "$1" && test -w .`, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = a.process()
	return cmd.Run() == nil
}

// tryLock takes the lock on an open file. It is the open file's, so children that
// inherit the file hold it too, and it is free once all of them are gone.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return true, nil
}

// unlock frees the lock and closes the file. Closing alone would not free it at once: a
// child that this process is just starting holds the file, too, until its exec.
func unlock(f *os.File) {
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // of a lock that we hold it cannot fail
	f.Close()
}

// killGroup ends a child started with process, and all its children, at once.
func killGroup(p *os.Process) error {
	return syscall.Kill(-p.Pid, syscall.SIGKILL)
}
