//go:build !linux

package main

import "syscall"

// benchChildAttr is nothing: a Ctrl-C reaches the child as well, which then ends at
// once; its Postgres follows by itself.
func benchChildAttr() *syscall.SysProcAttr { return nil }
