package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
)

// benchCommand measures a server. The sections and their figures are described in
// package bench.
type benchCommand struct {
	URL         string `name:"url" help:"Address of the server to measure. By default, bench starts its own server and Postgres in a temporary folder."`
	Secret      string `env:"TIDINGS_JWT_SECRET" help:"Secret of the tokens of the server at --url (HS256), to sign those of readers and writers. Default: none."`
	PID         int    `name:"pid" help:"Process id of the server at --url, if it runs on this machine. With it, CPU time and memory are measured. Default: none."`
	DatabaseURL string `name:"database-url" placeholder:"URL" help:"Address of the database of the server at --url. With it, the CPU time of Postgres is measured if it runs on this machine, and the time that Postgres alone needs, in a scratch table that is dropped. Without it, the section lists is left out. Default: none."`

	Against string `type:"existingfile" placeholder:"PROGRAM" help:"Program of another build of tidings. Both builds are measured in turns, each on its own server and Postgres, and compared. Default: none."`
	Rounds  int    `default:"5" help:"Number of measurements of each build, with --against. The medians and the least and greatest values are printed."`

	Comments   int           `default:"300" help:"Number of comments that the section latency writes, one after another."`
	Publishers int           `default:"16" help:"Number of concurrent writers."`
	Duration   time.Duration `default:"10s" help:"Duration of each load of the sections writes and presence, of storm and of churn."`
	Likers     int           `default:"256" help:"Number of concurrent writers of likes."`
	Viewers    int           `default:"1000" help:"Number of readers of the post that is liked."`
	Likes      int           `default:"50000" help:"Number of likes of that post, each by another user."`
	Thread     int           `default:"10000" help:"Number of comments of the post in the section lists, half of them replies."`
	Lists      int           `default:"1000" help:"Number of times that the section lists reads each list, with one reader and with 16."`
	Events     int           `default:"5000000" help:"Number of events in the log of one of the servers of the section conditions before the measurement."`
	Audience   int           `default:"100" help:"Number of readers of the post that all writers write to, in the section writes."`
	Readers    int           `default:"1000" help:"Number of readers, in the sections fanout, storm and presence."`
	Stopped    int           `default:"0" help:"Number of additional readers that open a stream and never read it, in the section fanout."`
	Transport  string        `default:"sse" enum:"sse,poll" help:"Transport of the readers, in the sections fanout and storm: ${enum}."`
	Messages   int           `default:"300" help:"Number of events of the paced part of fanout. The part at full speed has four times as many."`
	Rate       float64       `default:"50" help:"Events per second of the paced part of fanout, and of storm."`
	Cycles     float64       `default:"1000" help:"Streams per second that churn opens and closes."`
	Visits     int           `default:"200" help:"Number of readers that go and come again each second, in the section presence. Each stays away for at most 10 s, and at most one in 10 is away."`
	Typists    int           `default:"1000" help:"Number of users that type at the same time, in the section presence."`
	Only       []string      `default:"latency,writes,lists,fanout,presence" enum:"${bench_sections}" help:"Sections to measure: ${enum}."`
	JSON       bool          `name:"json" help:"Print all figures as one JSON object at the end. The tables go to standard error."`
}

// Validate is called by kong. It leaves the checks to package bench. An error makes the command line a wrong one.
func (c *benchCommand) Validate() error {
	cfg := c.config()
	cfg.Program = "set by Run"
	return cfg.Validate()
}

// config returns the flags as the configuration of package bench.
func (c *benchCommand) config() bench.Config {
	return bench.Config{
		URL: c.URL, Secret: c.Secret, PID: c.PID, DatabaseURL: c.DatabaseURL, Env: os.Environ(),
		Against: c.Against, Rounds: c.Rounds,
		Comments: c.Comments, Publishers: c.Publishers, Duration: c.Duration, Audience: c.Audience,
		Likers: c.Likers, Likes: c.Likes, Viewers: c.Viewers, Thread: c.Thread, Lists: c.Lists, Events: c.Events,
		Readers: c.Readers, Stopped: c.Stopped, Poll: c.Transport == "poll", Messages: c.Messages, Rate: c.Rate, Cycles: c.Cycles, Visits: c.Visits, Typists: c.Typists, Only: c.Only,
	}
}

// Run measures, prints tables and, if asked, JSON. It returns an error if readers lost,
// repeated or reordered events.
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
