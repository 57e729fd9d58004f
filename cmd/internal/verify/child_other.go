//go:build !linux

package verify

import "syscall"

// childAttr is nothing special: the leash of localpg ends Postgres, and instances
// without a database serve nobody.
func childAttr() *syscall.SysProcAttr { return nil }
