//go:build !linux

package bench

import "syscall"

// childAttr is nothing: a Ctrl-C reaches the child as well, which then ends at
// once; its Postgres follows by itself.
func childAttr() *syscall.SysProcAttr { return nil }
