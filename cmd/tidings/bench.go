package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

type benchCommand struct {
	URL         string `name:"url" help:"Of the server to measure. Default: one of its own, durable, in a temporary folder, for as long as this takes."`
	Secret      string `env:"TIDINGS_JWT_SECRET" help:"Secret of that server's tokens, to sign those of readers and writers with (HS256)."`
	PID         int    `name:"pid" help:"Process id of that server, when it runs on this machine: for its CPU and memory."`
	DatabaseURL string `name:"database-url" placeholder:"URL" help:"Database of that server: for the floor, what Postgres alone takes. A scratch table is made there and dropped."`

	Comments   int           `default:"300" help:"Comments that latency writes, one after another."`
	Publishers int           `default:"16" help:"Writers at once."`
	Duration   time.Duration `default:"10s" help:"Of each load of writes."`
	Audience   int           `default:"100" help:"Readers of the one post that all writers write to."`
	Readers    int           `default:"1000" help:"Readers of the fan-out."`
	Transport  string        `default:"sse" enum:"sse,poll" help:"Of the fan-out: ${enum}."`
	Messages   int           `default:"300" help:"Events of the fan-out, paced; four times as many flat out."`
	Rate       float64       `default:"50" help:"Paced events a second."`
	Only       []string      `default:"latency,writes,fanout" enum:"latency,writes,fanout" help:"Sections: ${enum}."`
	JSON       bool          `name:"json" help:"Print all figures as one JSON object at the end; the tables go to stderr."`
}

// Validate implements kong's hook: these are wrong command lines.
func (c *benchCommand) Validate() error {
	least := min(c.Comments, c.Publishers, c.Audience, c.Readers, c.Messages)
	switch {
	case least < 1, c.Duration <= 0, c.Rate <= 0:
		return errors.New("counts, duration and rate are more than nothing")
	case c.URL != "" && c.Secret == "":
		return errors.New("--url needs the server's TIDINGS_JWT_SECRET: writers need tokens")
	}
	return nil
}

func (c *benchCommand) Run(ctx context.Context, io streams) error {
	tables := io.out
	if c.JSON {
		tables = io.err
	}
	report, err := c.measure(ctx, benchPrinter{tables: tables, progress: io.err})
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
	return report.verdict()
}

// measure runs the sections, each on a server that has just begun when it is our
// own: what one section leaves in memory is no figure of the next.
func (c *benchCommand) measure(ctx context.Context, out benchPrinter) (_ *benchReport, err error) {
	report := &benchReport{Began: time.Now().UTC()}
	place, err := c.place(ctx, out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.remove()) }()
	for _, section := range []struct {
		name string
		run  func(context.Context, *benchTarget, *benchReport) error
	}{
		{"latency", c.latency}, {"writes", c.writes}, {"fanout", c.fanout},
	} {
		if !slices.Contains(c.Only, section.name) {
			continue
		}
		err := place.visit(ctx, func(t *benchTarget) error {
			if report.Machine == nil {
				report.Machine = benchMachineOf(ctx, t)
				out.machine(report.Machine)
			}
			return section.run(ctx, t, report)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", section.name, err)
		}
	}
	return report, nil
}

// A benchPlace is where sections find the server they measure.
type benchPlace interface {
	// visit calls fn with a server that answers.
	visit(ctx context.Context, fn func(*benchTarget) error) error
	// remove leaves nothing behind.
	remove() error
}

func (c *benchCommand) place(ctx context.Context, out benchPrinter) (benchPlace, error) {
	if c.URL == "" {
		return newBenchOwn(out, c.Readers+c.Audience)
	}
	return benchForeign{c, out}, nil
}

// benchForeign is somebody else's server.
type benchForeign struct {
	c   *benchCommand
	out benchPrinter
}

func (f benchForeign) visit(ctx context.Context, fn func(*benchTarget) error) error {
	t, err := newBenchTarget(f.c.URL, f.c.Secret, f.out)
	if err != nil {
		return err
	}
	defer t.close()
	t.pid, t.dsn = f.c.PID, f.c.DatabaseURL
	return fn(t)
}

func (benchForeign) remove() error { return nil }
