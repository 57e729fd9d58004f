//go:build !linux

package main

import (
	"context"
	"errors"
)

// serveFloor returns an error: the floor needs epoll(7), which only Linux has.
func serveFloor(context.Context, string) error {
	return errors.New("the floor can be measured on Linux only")
}
