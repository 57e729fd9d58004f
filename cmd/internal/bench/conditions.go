package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// conditionRounds is how often each condition is measured.
const conditionRounds = 3

// Conditions has the figures of the same work under several conditions. Each condition
// has its own server and Postgres. All of them run during the whole section and are
// measured in turns, so that slow moments of the machine are spread over all conditions.
type Conditions struct {
	Rounds int         `json:"rounds"`
	Each   []Condition `json:"each"` // the others are compared with the first
}

// A Condition has medians over the rounds.
type Condition struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"commentsPerSecond"` // c.Publishers writers onto one post with c.Audience readers
	Alone     float64 `json:"aloneP50Ms"`        // one comment at a time, until the response
	Faults    Faults  `json:"faults"`

	ToFirst struct {
		PerSecond float64 `json:"commentsPerSecond"`
		Alone     float64 `json:"aloneP50"`
	} `json:"toFirst"` // ratios of this condition to the first

	perSecond, alone []float64 // one value a round
}

// A setting describes how to produce a condition.
type setting struct {
	name    string
	env     string
	prepare func(context.Context, *target) error                     // before the server is restarted; may be nil
	keep    func(context.Context, *target) (release func(), _ error) // before the measurement, until release; may be nil
}

// settings returns all conditions; the first is the normal one.
func (c Config) settings() []setting {
	const on, off = "TIDINGS_GROUP_COMMIT=on", "TIDINGS_GROUP_COMMIT=off"
	return []setting{
		{name: "default settings", env: on},
		{name: "group commit off", env: off},
		{name: fmt.Sprintf("%d events in the log", c.Events), env: on, prepare: c.fillLog},
		{name: "with an idle transaction", env: on, keep: leaveIdle},
	}
}

// conditions starts a server for each setting, and measures when all of them run.
func (c Config) conditions(ctx context.Context, out printer, report *Report) error {
	settings := c.settings()
	targets := make([]*target, 0, len(settings))
	var stand func() error
	stand = func() error {
		if len(targets) == len(settings) {
			return c.takeTurns(ctx, settings, targets, report)
		}
		return c.underSetting(ctx, out, settings[len(targets)], func(t *target) error {
			targets = append(targets, t)
			return stand()
		})
	}
	return stand()
}

// underSetting calls fn with a server to which the setting applies.
func (c Config) underSetting(ctx context.Context, out printer, s setting, fn func(*target) error) (err error) {
	provider, err := newOwnServer(out, c.Program, append(slices.Clone(c.Env), s.env), c.Readers+c.Audience)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.remove()) }()
	if s.prepare != nil {
		if err := provider.withServer(ctx, func(t *target) error { return s.prepare(ctx, t) }); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return provider.withServer(ctx, func(t *target) error {
		if s.keep == nil {
			return fn(t)
		}
		release, err := s.keep(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer release()
		return fn(t)
	})
}

// takeTurns measures the targets, one for each setting, in turns.
func (c Config) takeTurns(ctx context.Context, settings []setting, targets []*target, report *Report) error {
	if report.Machine == nil {
		report.Machine = machineOf(ctx, targets[0])
		targets[0].out.machine(report.Machine)
	}
	result := &Conditions{Rounds: conditionRounds, Each: make([]Condition, len(settings))}
	for range conditionRounds {
		for i, t := range targets {
			each := &result.Each[i]
			each.Name = settings[i].name
			t.out.logf("%s:", each.Name)
			w, err := c.writeTo(ctx, t, 1, c.Audience)
			if err != nil {
				return fmt.Errorf("%s: %w", each.Name, err)
			}
			alone, err := c.alone(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %w", each.Name, err)
			}
			each.perSecond, each.alone = append(each.perSecond, w.PerSecond), append(each.alone, alone)
			each.Faults.add(w.Faults)
		}
	}
	result.summarize()
	report.Conditions = result
	result.print(targets[0].out)
	return nil
}

// alone returns the median time of comments that are written one after another.
func (c Config) alone(ctx context.Context, t *target) (ms float64, err error) {
	writer, err := t.commentWriter(ctx, 0, t.post("alone", 0))
	if err != nil {
		return 0, err
	}
	defer writer.close()
	took := make([]time.Duration, max(1, c.Comments/conditionRounds))
	for i := range took {
		begin := t.now()
		if err := writer.comment(ctx, mark{i, begin}); err != nil {
			return 0, err
		}
		took[i] = t.now() - begin
	}
	return summarize(took).P50, nil
}

// summarize computes the medians and the ratios.
func (r *Conditions) summarize() {
	for i := range r.Each {
		each := &r.Each[i]
		each.PerSecond, each.Alone = medianOf(each.perSecond), medianOf(each.alone)
		each.ToFirst.PerSecond = ratioOf(each.PerSecond, r.Each[0].PerSecond)
		each.ToFirst.Alone = ratioOf(each.Alone, r.Each[0].Alone)
	}
}

// print writes one row for each condition.
func (r *Conditions) print(out printer) {
	fmt.Fprintf(out.tables, "\n%-42s %12s %12s %12s %12s\n",
		fmt.Sprintf("Conditions: medians of %d rounds in turns", r.Rounds), "comments/s", "to the first", "alone, ms", "to the first")
	for _, each := range r.Each {
		fmt.Fprintf(out.tables, "  %-40s %12.0f %10.2f × %12.2f %10.2f ×\n",
			each.Name, each.PerSecond, each.ToFirst.PerSecond, each.Alone, each.ToFirst.Alone)
		if each.Faults.any() {
			out.line("  %v", each.Faults)
		}
	}
}

// fillLog inserts c.Events events into the log by SQL. The server has to be restarted
// afterwards: it would read all of them.
func (c Config) fillLog(ctx context.Context, t *target) error {
	t.out.logf("writing %d events into the log", c.Events)
	conn, err := session.Connect(ctx, t.dsn)
	if err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `lock table tidings.turn in exclusive mode`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			insert into tidings.events (position, topic, name, data)
			select
				nextval('tidings.positions'),
				'post:filler-' || n % 1000,
				'bench.filler',
				jsonb_build_object('text', repeat('x', 150))
			from generate_series(1, $1::bigint) as n`, c.Events)
		return err
	})
	if err == nil {
		_, err = conn.Exec(ctx, `analyze tidings.events`)
	}
	if err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	return nil
}

// leaveIdle opens a transaction that has an id and a snapshot, and leaves it idle until
// release.
func leaveIdle(ctx context.Context, t *target) (release func(), err error) {
	conn, err := session.Connect(ctx, t.dsn)
	if err != nil {
		return nil, fmt.Errorf("leave a transaction idle: %w", err)
	}
	release = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	if _, err := conn.Exec(ctx, `begin isolation level repeatable read; select pg_current_xact_id()`); err != nil {
		release()
		return nil, fmt.Errorf("leave a transaction idle: %w", err)
	}
	return release, nil
}
