// Command tidings serves live comments, likes and notifications on nothing but
// Postgres.
//
// Each command is a small file here; run.go wires the parts of a server together and
// takes them apart in order. Flags, environment and signals are read in this package
// alone.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

type cli struct {
	Serve   serveCommand   `cmd:"" help:"Serve the API from a Postgres of yours."`
	Dev     devCommand     `cmd:"" help:"Serve from a private Postgres in ./.tidings, with a demo page: for trying out."`
	Migrate migrateCommand `cmd:"" help:"Bring the schema in a database up to date. Serve does so by itself."`
	Token   tokenCommand   `cmd:"" help:"Print a signed token, for trying out and for scripts."`
	Tail    tailCommand    `cmd:"" help:"Print the events of topics as they come."`
	Bench   benchCommand   `cmd:"" help:"Measure a running server, or one of its own."`
	Verify  verifyCommand  `cmd:"" help:"Prove that a deployment loses, repeats, reorders and leaks nothing, or try to break one of its own."`
	Health  healthCommand  `cmd:"" help:"Ask a server on this machine whether it is alive: for container health checks."`
}

// streams are where a command reads and writes.
type streams struct {
	out io.Writer // results
	err io.Writer // logs and remarks
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(execute(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// execute runs one command and returns the exit status: 0 when all went well, also
// when it was asked to stop; 1 when not; 2 for a wrong command line.
func execute(ctx context.Context, args []string, io streams) int {
	exited := -1 // by kong: for --help
	parser, err := kong.New(&cli{},
		kong.Name("tidings"),
		kong.Description("Live comments, likes and notifications for any site, on nothing but Postgres."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(io.out, io.err),
		kong.Vars{"bench_sections": strings.Join(bench.Sections(), ",")},
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		fmt.Fprintln(io.err, "tidings:", err)
		return 1
	}
	command, err := parser.Parse(args)
	switch {
	case exited >= 0:
		return exited
	case err != nil:
		fmt.Fprintf(io.err, "tidings: %v (tidings --help explains)\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(io.err, "tidings:", err)
		return 1
	}
	return 0
}
