package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli has the commands; kong parses their flags.
type cli struct {
	Run   runCommand   `cmd:"" default:"withargs" help:"Measure all peers and write the page."`
	Floor floorCommand `cmd:"" help:"Run the program that only writes, the floor."`
}

// floorCommand is started by [floor.withServer].
type floorCommand struct {
	Addr string `arg:"" help:"Address to listen on, host:port."`
}

// Run serves until a signal ends ctx. It fails on systems other than Linux.
func (c *floorCommand) Run(ctx context.Context) error { return serveFloor(ctx, c.Addr) }

// main runs one command. The exit status is 1 if it fails.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := kong.Parse(&cli{}, kong.Name("bench-peers"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}
