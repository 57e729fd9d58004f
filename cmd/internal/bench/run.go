package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A section takes figures of a target, enters them in the report and prints them.
type section struct {
	name string
	run  func(Config, context.Context, *target, *Report) error
	// apart takes figures of servers that it starts itself; run is nil then.
	apart func(Config, context.Context, printer, *Report) error
}

// sections are measured in this order.
var sections = []section{
	{name: "latency", run: Config.latency},
	{name: "writes", run: Config.writes},
	{name: "likes", run: Config.likes},
	{name: "conditions", apart: Config.conditions},
	{name: "fanout", run: Config.fanout},
	{name: "storm", run: Config.storm},
	{name: "churn", run: Config.churn},
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
// context.Canceled when it was stopped; what was found wrong is no error but
// [Report.Verdict].
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
	place, err := c.place(out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.remove()) }()
	for _, s := range sections {
		if !slices.Contains(c.Only, s.name) {
			continue
		}
		if s.apart != nil {
			err = s.apart(c, ctx, out, report)
		} else {
			err = c.runSection(ctx, place, s, report)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return report, nil
}

// runSection measures one section. A server that bench starts is started for this
// section, so that memory left over from one section is not counted in the next.
func (c Config) runSection(ctx context.Context, place place, s section, report *Report) error {
	return place.visit(ctx, func(t *target) error {
		if report.Machine == nil {
			report.Machine = machineOf(ctx, t)
			t.out.machine(report.Machine)
		}
		return s.run(c, ctx, t, report)
	})
}

// A place is where sections find the server they measure.
type place interface {
	// visit calls fn with a server that answers.
	visit(ctx context.Context, fn func(*target) error) error
	// remove leaves nothing behind.
	remove() error
}

func (c Config) place(out printer) (place, error) {
	if c.URL == "" {
		return newOwn(out, c.Program, c.Env, c.Readers+c.Audience)
	}
	return elsewhere{c, out}, nil
}

// elsewhere is somebody else's server.
type elsewhere struct {
	c   Config
	out printer
}

func (f elsewhere) visit(ctx context.Context, fn func(*target) error) error {
	t, err := newTarget(f.c.URL, f.c.Secret, f.out)
	if err != nil {
		return err
	}
	defer t.close()
	t.pid, t.dsn = f.c.PID, f.c.DatabaseURL
	t.master = postmasterOf(ctx, t.dsn)
	return fn(t)
}

func (elsewhere) remove() error { return nil }
