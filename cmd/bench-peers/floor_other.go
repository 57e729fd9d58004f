//go:build !linux

package main

import (
	"context"
	"errors"
)

func serveFloor(context.Context, string) error {
	return errors.New("the floor is measured on Linux alone")
}
