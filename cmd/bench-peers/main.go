// Command peers holds Tidings against its peers, and all of them against a program
// that only writes: the same readers, on one machine, in one run. It prints a page in
// Markdown; "make bench-peers" writes it to docs/benchmarks.md.
//
// A [contestant] starts a server in a process of its own. A [cell] is one measurement,
// of a server that has just begun. The cells are gone through in rounds, contestant
// after contestant, since the machine is quicker at one time than at another; a
// [page] shows medians, and ratios within a round.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Run   runCommand   `cmd:"" default:"withargs" help:"Measure all of them and write the page."`
	Floor floorCommand `cmd:"" help:"Be the program that only writes."`
}

type floorCommand struct {
	Addr string `arg:"" help:"To listen on, host:port."`
}

func (c *floorCommand) Run(ctx context.Context) error { return serveFloor(ctx, c.Addr) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := kong.Parse(&cli{}, kong.Name("peers"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}
