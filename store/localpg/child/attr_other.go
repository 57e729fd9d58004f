//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package child

import (
	"os/exec"
	"syscall"
)

// setAttr does nothing: this system has neither process groups nor a signal for the
// death of a parent.
func setAttr(*exec.Cmd, syscall.Signal) {}
