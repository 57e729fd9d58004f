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

// account is the user that Postgres runs as. It is the user of this process or, if that is
// root, an unprivileged user, because Postgres refuses to run as root.
type account struct {
	uid, gid int
	dropped  bool // this process is root, and the account is not
}

// accountFor returns the account for a server in dir. For root it is the owner of dir, so
// that the directory of a developer still belongs to the developer. If the owner is root,
// too, it is the user that the Postgres package has made, or else the user nobody.
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
	return account{}, errors.New("a server of Postgres refuses to run as root, and there is neither a user postgres nor a user nobody")
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

// process returns the attributes of a child process that runs as the account, in a new
// process group.
func (a account) process() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.dropped {
		// Without Groups, the child has no supplementary groups: not those of root.
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// own makes the account the owner of path. It does not follow a symbolic link. It does
// nothing if the account is the user of this process, which owns the files that it makes.
func (a account) own(path string) error {
	if !a.dropped {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// open opens a file for appending, and creates it if it does not exist. The account owns
// the file. A symbolic link is refused: otherwise another user could choose the file that
// root writes to.
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

// mayOwn reports whether the account owns a file, or root owns it and calls own next.
func (a account) mayOwn(info fs.FileInfo) bool {
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	return uid == a.uid || a.dropped && uid == 0
}

// reaches reports whether the account can enter dir and write in it. It runs a shell as the
// account, because file modes do not show access control lists and read-only mounts.
func (a account) reaches(dir string) bool {
	cmd := exec.Command("/bin/sh", "-c", `cd -P -- "$1" && test -w .`, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = a.process()
	return cmd.Run() == nil
}

// tryLock locks a file with flock(2), and reports whether it did. Child processes that
// inherit the file hold the lock, too, so it is free when all of them have ended.
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

// unlock releases the lock and closes the file. Closing the file would not be enough: a
// child that this process starts at the same time has the file, too, until its exec.
func unlock(f *os.File) {
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // cannot fail for a lock that is held
	f.Close()
}

// killGroup kills a child that was started with the attributes of process, and its children.
func killGroup(p *os.Process) error {
	return syscall.Kill(-p.Pid, syscall.SIGKILL)
}
