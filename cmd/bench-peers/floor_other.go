//go:build !linux

package main

import (
	"context"
	"errors"
)

// serveFloor fails: the floor needs epoll.
func serveFloor(context.Context, string) error {
	return errors.New("the floor can be measured on Linux only")
}
