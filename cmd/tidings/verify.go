package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/verify"
)

// verifyCommand checks running servers or, with --chaos, a cluster that it starts and
// injects faults into. The exit status is 0 only if everything was checked and there were
// no faults: see execute. Package verify describes what is checked. The posts and users
// that it creates stay in the database.
type verifyCommand struct {
	URLs        []string      `name:"url" sep:"none" placeholder:"URL" help:"Address of a server to verify. Repeat it for each instance. Default: none."`
	DatabaseURL string        `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"Address of the servers' database. With it, some writers write SQL, and deliveries are compared with the log. Default: none."`
	Secret      string        `env:"TIDINGS_JWT_SECRET" help:"Secret of the servers' tokens (HS256), to sign those of readers and writers. Without it, all writers write SQL and only public topics are read. Default: none."`
	Readers     int           `default:"24" help:"Number of readers. They hop between servers and transports."`
	Writers     int           `default:"6" help:"Number of writers."`
	Duration    time.Duration `default:"60s" help:"Time that the writers write. After that, the readers have up to a minute to read to the end."`
	Seed        uint64        `help:"Seed of all random choices. Default: a random one, which is printed."`
	Chaos       bool          `help:"Start a Postgres and three instances, and inject faults while readers and writers use them."`
	Burst       int           `default:"100000" help:"Number of events in a burst, with --chaos."`
	Dir         string        `type:"path" help:"Folder that keeps the data and the logs of the instances, with --chaos. Default: a temporary folder, which stays only if there were faults."`
	Fault       []string      `placeholder:"KIND" help:"Kinds of faults to inject, with --chaos. An unknown kind prints the list. Default: all kinds."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`

	until func(verify.Activity) bool // ends the writing early; set by tests
}

// errVerifyFaults makes the exit status 1 when the report has faults.
var errVerifyFaults = errors.New("the servers do not keep the promises of delivery: see the report")

// errVerifyIncomplete makes the exit status 3 when the report has no faults and does not
// say everything.
var errVerifyIncomplete = incompleteError{errors.New("not everything was checked: the report says why")}

// Validate is called by kong. An error makes the command line a wrong one.
func (c *verifyCommand) Validate() error {
	switch {
	case min(c.Readers, c.Writers, c.Burst) < 1 || c.Duration <= 0:
		return errors.New("--readers, --writers, --burst and --duration must be greater than 0")
	case c.Chaos && len(c.URLs) > 0:
		return errors.New("--chaos starts its own servers: leave --url out")
	case !c.Chaos && len(c.URLs) == 0:
		return errors.New("--url or --chaos is needed: there is no server to verify")
	case !c.Chaos && c.Secret == "" && c.DatabaseURL == "":
		return errors.New("--secret or --database-url is needed: without both, nothing can be written")
	}
	return nil
}

// Run verifies and prints the report, also if ctx ends or servers stay down. It returns
// errVerifyFaults if there are faults, errVerifyIncomplete if there are none and not
// everything was checked, and another error if there is no report.
func (c *verifyCommand) Run(ctx context.Context, io streams) error {
	cfg := verify.Config{
		URLs: c.URLs, DatabaseURL: c.DatabaseURL, Secret: c.Secret,
		Readers: c.Readers, Writers: c.Writers, Duration: c.Duration, Seed: c.Seed, Until: c.until, Progress: io.err,
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1_000_000) + 1
	}
	if c.Chaos {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own program: %w", err)
		}
		cfg.Chaos = &verify.Chaos{Program: program, Burst: c.Burst, Kinds: c.Fault, Dir: c.Dir}
	}
	report, err := verify.Run(ctx, cfg)
	switch {
	case report == nil && ctx.Err() != nil:
		return incompleteError{errors.New("stopped before the first write: there is nothing to report")}
	case report == nil:
		return err
	}
	if err := errors.Join(err, c.print(report, io)); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	switch {
	case report.Any():
		return errVerifyFaults
	case len(report.Incomplete) > 0:
		return errVerifyIncomplete
	}
	return nil
}

// print writes the report as a table or as JSON.
func (c *verifyCommand) print(r *verify.Report, io streams) error {
	if c.JSON {
		encoder := json.NewEncoder(io.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	r.Print(io.out)
	return nil
}
