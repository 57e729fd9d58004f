//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package localpg

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// account makes Start fail on this system, which has neither the Unix shell that the watcher
// needs nor flock(2). A Postgres that was started in another way can be used.
type account struct{ uid int }

func accountFor(string) (account, error) {
	return account{}, errors.New("a private Postgres is not supported on this platform: start Postgres in another way and set DATABASE_URL")
}

func (account) process() *syscall.SysProcAttr { return nil }

func (account) own(string) error { return nil }

func (account) open(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func (account) mayOwn(fs.FileInfo) bool { return false }

func (account) reaches(string) bool { return false }

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func unlock(*os.File) {}

func killGroup(p *os.Process) error { return p.Kill() }
