package verify

import "syscall"

// childAttr keeps a Ctrl-C from the child, which is stopped in order when we are, and
// ends it when we are killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
