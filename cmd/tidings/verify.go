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

type verifyCommand struct {
	URLs        []string      `name:"url" sep:"none" placeholder:"URL" help:"Of a server to verify; repeat it for each instance."`
	DatabaseURL string        `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"Of the servers' database: some writers write in SQL, and what arrived is compared with the log."`
	Secret      string        `env:"TIDINGS_JWT_SECRET" help:"Secret of the servers' tokens, to sign those of readers and writers with (HS256). Without it only SQL writes and only public topics are read."`
	Readers     int           `default:"24" help:"Readers that hop between servers and transports."`
	Writers     int           `default:"6" help:"Writers at once."`
	Duration    time.Duration `default:"60s" help:"Of writing. Readers then get time to reach the end."`
	Seed        uint64        `help:"Of all that is drawn by lot. Default: another each time; it is printed."`
	Chaos       bool          `help:"Start a Postgres and three instances of our own and break them all the while."`
	Burst       int           `default:"100000" help:"Events of a burst, with --chaos."`
	Dir         string        `type:"path" help:"Keep the data and the logs of our own servers there, with --chaos. Default: a temporary folder, kept after a bad run alone."`
	Fault       []string      `placeholder:"KIND,…" help:"Only faults of these kinds, with --chaos. Default: all; a wrong one lists them."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`

	until func(verify.Activity) bool // ends the writing early; for tests
}

// errVerifyFaults makes the exit status tell what the table told.
var errVerifyFaults = errors.New("delivery is not what it promises: see above")

// Validate implements kong's hook: these are wrong command lines.
func (c *verifyCommand) Validate() error {
	switch {
	case min(c.Readers, c.Writers, c.Burst) < 1 || c.Duration <= 0:
		return errors.New("readers, writers, burst and duration are more than nothing")
	case c.Chaos && len(c.URLs) > 0:
		return errors.New("--chaos breaks servers of its own, not the one at --url")
	case !c.Chaos && len(c.URLs) == 0:
		return errors.New("--url says what to verify, or --chaos")
	case !c.Chaos && c.Secret == "" && c.DatabaseURL == "":
		return errors.New("--secret or --database-url is needed: somebody must be able to write")
	}
	return nil
}

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
	if ctx.Err() != nil {
		return errors.New("stopped before the end: nothing was found out")
	}
	if err != nil {
		return err
	}
	if err := c.print(report, io); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if report.Any() {
		return errVerifyFaults
	}
	return nil
}

func (c *verifyCommand) print(r *verify.Report, io streams) error {
	if c.JSON {
		encoder := json.NewEncoder(io.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	r.Print(io.out)
	return nil
}
