package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/reach"
)

// A section is one kind of measurement. Exactly one of its functions is set; it measures,
// puts the figures into the report, and prints them.
type section struct {
	name string
	run  func(Config, context.Context, *target, *Report) error
	// standalone starts its own servers.
	standalone func(Config, context.Context, printer, *Report) error
}

// sections are measured in this order.
var sections = []section{
	{name: "latency", run: Config.latency},
	{name: "writes", run: Config.writes},
	{name: "likes", run: Config.likes},
	{name: "lists", run: Config.lists},
	{name: "conditions", standalone: Config.conditions},
	{name: "fanout", run: Config.fanout},
	{name: "storm", run: Config.storm},
	{name: "churn", run: Config.churn},
	{name: "presence", run: Config.presence},
}

// Sections returns the names of all sections.
func Sections() []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return names
}

// Run measures the sections of c.Only and returns their figures. The error is
// context.Canceled if ctx ended first. Lost, duplicated and reordered events are not an
// error of Run: see [Report.Verdict].
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	return c.measure(ctx, newPrinter(c.Tables, c.Progress))
}

// measure runs the sections of c.Only one after another.
func (c Config) measure(ctx context.Context, out printer) (_ *Report, err error) {
	report := &Report{Began: time.Now().UTC()}
	provider, err := c.provider(out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, provider.remove()) }()
	for _, s := range sections {
		if !slices.Contains(c.Only, s.name) {
			continue
		}
		if s.standalone != nil {
			err = s.standalone(c, ctx, out, report)
		} else {
			err = c.runSection(ctx, provider, s, report)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return report, nil
}

// runSection measures one section. A server that bench starts is started for this
// section, so that memory left over from one section is not counted in the next.
func (c Config) runSection(ctx context.Context, provider serverProvider, s section, report *Report) error {
	return provider.withServer(ctx, func(t *target) error {
		if report.Machine == nil {
			report.Machine = machineOf(ctx, t)
			t.out.machine(report.Machine)
		}
		return s.run(c, ctx, t, report)
	})
}

// A serverProvider provides the server that a section measures.
type serverProvider interface {
	// withServer calls fn with a server that accepts requests, and returns fn's error.
	withServer(ctx context.Context, fn func(*target) error) error
	// remove deletes everything that withServer has left.
	remove() error
}

// provider returns the provider of the server at c.URL, or of one that bench starts.
func (c Config) provider(out printer) (serverProvider, error) {
	if c.URL == "" {
		return newOwnServer(out, c.Program, c.Env, c.Readers+c.Audience)
	}
	return givenServer{c, out}, nil
}

// givenServer provides the server at Config.URL.
type givenServer struct {
	c   Config
	out printer
}

// withServer implements [serverProvider]. It starts nothing. It returns an error if the
// server does not answer, or the database is not that of the server.
func (f givenServer) withServer(ctx context.Context, fn func(*target) error) error {
	t, err := newTarget(f.c.URL, f.c.Secret, f.out)
	if err != nil {
		return err
	}
	defer t.close()
	if err := reach.Server(ctx, f.c.URL, t.client); err != nil {
		return err
	}
	if err := t.checkDatabase(ctx, f.c.DatabaseURL); err != nil {
		return err
	}
	t.pid, t.dsn = f.c.PID, f.c.DatabaseURL
	t.postmaster = postmasterOf(ctx, t.dsn)
	return fn(t)
}

// remove does nothing: the posts of the run stay on the server.
func (givenServer) remove() error { return nil }
