//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package localpg

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// account stands in for what this platform does not have: the leash of doc.go needs
// a Unix shell, the locks need flock. Start fails; a Postgres elsewhere still serves.
type account struct{ uid int }

func accountFor(string) (account, error) {
	return account{}, errors.New("a private Postgres is not supported on this platform: set DATABASE_URL to one that runs elsewhere")
}

func (account) process() *syscall.SysProcAttr { return nil }

func (account) own(string) error { return nil }

func (account) open(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func (account) mayOwn(fs.FileInfo) bool { return false }

func (account) reaches(string) bool { return false }

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func unlock(*os.File) {}

func killGroup(p *os.Process) error { return p.Kill() }
