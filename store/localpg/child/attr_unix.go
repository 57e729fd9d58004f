//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package child

import (
	"os/exec"
	"syscall"
)

// setAttr gives cmd a process group. Most of these systems have no signal for the
// death of a parent.
func setAttr(cmd *exec.Cmd, _ syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}
