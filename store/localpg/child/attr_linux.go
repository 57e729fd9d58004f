package child

import (
	"os/exec"
	"syscall"
)

// setAttr gives cmd a process group and the signal for the death of this process.
func setAttr(cmd *exec.Cmd, orphaned syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = orphaned
}
