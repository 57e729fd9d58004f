package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

type benchCommand struct {
	URL         string `name:"url" help:"Of the server to measure. Default: one of its own, durable, in a temporary folder, for as long as this takes."`
	Secret      string `env:"TIDINGS_JWT_SECRET" help:"Secret of that server's tokens, to sign those of readers and writers with (HS256)."`
	PID         int    `name:"pid" help:"Process id of that server, when it runs on this machine: for its CPU and memory."`
	DatabaseURL string `name:"database-url" placeholder:"URL" help:"Database of that server: for its CPU, when it is on this machine, and for the floor, what Postgres alone takes. A scratch table is made there and dropped."`

	Against string `type:"existingfile" placeholder:"PROGRAM" help:"Another build of tidings to compare this one with: both are measured in turns, each on its own server and Postgres."`
	Rounds  int    `default:"5" help:"How often --against measures each build. Shown are medians, least and greatest values."`

	Comments   int           `default:"300" help:"Comments that latency writes, one after another."`
	Publishers int           `default:"16" help:"Writers at once."`
	Duration   time.Duration `default:"10s" help:"Of each load of writes, of the storm and of the churn."`
	Likers     int           `default:"256" help:"Writers of likes at once."`
	Viewers    int           `default:"1000" help:"Viewers of the post that is liked."`
	Likes      int           `default:"50000" help:"Likes that they write to one post, each by a user of its own."`
	Events     int           `default:"5000000" help:"Events in the log of one of the servers of conditions before it is measured."`
	Audience   int           `default:"100" help:"Readers of the one post that all writers write to."`
	Readers    int           `default:"1000" help:"Readers of the fan-out."`
	Stopped    int           `default:"0" help:"Readers of the fan-out beside those, who read nothing of their streams."`
	Transport  string        `default:"sse" enum:"sse,poll" help:"Of the fan-out: ${enum}."`
	Messages   int           `default:"300" help:"Events of the fan-out, paced; four times as many flat out."`
	Rate       float64       `default:"50" help:"Paced events a second."`
	Cycles     float64       `default:"1000" help:"Streams that the churn opens and closes, a second."`
	Only       []string      `default:"latency,writes,fanout" enum:"${bench_sections}" help:"Sections: ${enum}."`
	JSON       bool          `name:"json" help:"Print all figures as one JSON object at the end; the tables go to stderr."`
}

// Validate implements kong's hook: these are wrong command lines.
func (c *benchCommand) Validate() error {
	cfg := c.config()
	cfg.Program = "this" // which is found later, and is not of the command line
	return cfg.Validate()
}

func (c *benchCommand) config() bench.Config {
	return bench.Config{
		URL: c.URL, Secret: c.Secret, PID: c.PID, DatabaseURL: c.DatabaseURL, Env: os.Environ(),
		Against: c.Against, Rounds: c.Rounds,
		Comments: c.Comments, Publishers: c.Publishers, Duration: c.Duration, Audience: c.Audience,
		Likers: c.Likers, Likes: c.Likes, Viewers: c.Viewers, Events: c.Events,
		Readers: c.Readers, Stopped: c.Stopped, Poll: c.Transport == "poll", Messages: c.Messages, Rate: c.Rate, Cycles: c.Cycles, Only: c.Only,
	}
}

func (c *benchCommand) Run(ctx context.Context, io streams) (err error) {
	cfg := c.config()
	cfg.Tables, cfg.Progress = io.out, io.err
	if c.JSON {
		cfg.Tables = io.err
	}
	if cfg.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	report, err := c.measure(ctx, cfg)
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped before the end")
	}
	if err != nil {
		return err
	}
	if c.JSON {
		if err := json.NewEncoder(io.out).Encode(report); err != nil {
			return fmt.Errorf("print figures: %w", err)
		}
	}
	return report.Verdict()
}

// A benchResult is a *bench.Report or a *bench.Comparison.
type benchResult interface{ Verdict() error }

func (c *benchCommand) measure(ctx context.Context, cfg bench.Config) (benchResult, error) {
	if c.Against != "" {
		return bench.Compare(ctx, cfg)
	}
	return bench.Run(ctx, cfg)
}
