// Command tidings serves live comments, likes and notifications on nothing but
// Postgres.
//
// Each command is a struct in a file with the command's name: its fields are the flags,
// and its Run method runs the command. Only this package reads flags, environment
// variables and signals; the other packages get structs.
//
// The parts of a server are put together in run.go, by build, and are started and
// stopped in order there, by run. "serve" and "dev" both call run. flags.go and
// flags_limits.go have the flags that they share.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/cmd/internal/printable"
)

// The commands, in the order of the help text.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Serve the API. Needs a Postgres database."`
	Dev     devCommand     `cmd:"" help:"Serve the API and a demo page from a private Postgres in ./.tidings. For trying out."`
	Migrate migrateCommand `cmd:"" help:"Bring the schema of a database up to date. 'serve' does the same when it starts."`
	Token   tokenCommand   `cmd:"" help:"Print a signed token. For trying out and for scripts."`
	Embed   embedCommand   `cmd:"" help:"Print the two lines of HTML that show comments on a page."`
	Tail    tailCommand    `cmd:"" help:"Print the events of topics when they arrive."`
	Bench   benchCommand   `cmd:"" help:"Measure a server, by default one that it starts."`
	Verify  verifyCommand  `cmd:"" help:"Check that servers lose, repeat, reorder and leak no events."`
	Doctor  doctorCommand  `cmd:"" help:"Check what proxies and the database do to delivery, and print the lines to add."`
	Health  healthCommand  `cmd:"" help:"Ask a server on this machine whether it is alive. For container health checks."`
	Version versionCommand `cmd:"" help:"Print the version, the revision and the version of Go."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the same as the command version."`
}

// streams are where a command writes.
type streams struct {
	out io.Writer // results
	err io.Writer // logs and progress
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(execute(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// An incompleteError means that a command was stopped, or lost its server or database,
// before it had done all of its work.
type incompleteError struct{ error }

// execute runs the command that args name and returns the exit status: 0 if the command
// succeeded, 1 if it failed, 2 if args are wrong, 3 if it could not do all of its work. A
// signal that ends serve, dev or tail is a success.
func execute(ctx context.Context, args []string, io streams) int {
	io = streams{printable.Writer(io.out), printable.Writer(io.err)} // servers and users send text
	exited := -1                                                     // the status that kong asks for after --help
	parser, err := kong.New(&cli{},
		kong.Name("tidings"),
		kong.Description("Live comments, likes and notifications for any site, on nothing but Postgres."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(io.out, io.err),
		kong.Vars{
			"bench_sections": strings.Join(bench.Sections(), ","),
			"version":        buildText(buildVersion()),
		},
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
		fmt.Fprintf(io.err, "tidings: %v (see tidings --help)\n", err)
		return 2
	}
	for _, name := range unknownSettings(parser.Model.Node, os.Environ()) {
		fmt.Fprintf(io.err, "tidings: warning: there is no setting %s; the environment variable is ignored\n", name)
	}
	if err := command.Run(); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = incompleteError{errors.New("stopped before the end")}
		}
		// A line of an answer of a server must not look like one of a report.
		fmt.Fprintln(io.err, "tidings:", strings.ReplaceAll(err.Error(), "\n", "\ntidings: "))
		if incomplete := (incompleteError{}); errors.As(err, &incomplete) {
			return 3
		}
		return 1
	}
	return 0
}

// unknownSettings returns the names in the environment that look like settings, in any case,
// but are those of no command.
func unknownSettings(node *kong.Node, environ []string) (unknown []string) {
	known := make(map[string]bool)
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, flag := range n.Flags {
			for _, name := range flag.Envs {
				known[name] = true
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(node)
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(strings.ToUpper(name), "TIDINGS_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
