package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
)

const (
	// sayEvery is how often progress is told.
	sayEvery = 2 * time.Second
	// closeEvery is how often the topics are closed until every reader has seen it.
	closeEvery = 2 * time.Second
	// untilEvery is how often Config.Until is called.
	untilEvery = 20 * time.Millisecond
)

// Run verifies, and returns what it found. An error means that it could not be found
// out; a report with faults is none.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Chaos == nil {
		return verify(ctx, cfg, nil)
	}
	w, err := newWorld(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	report, err := verify(ctx, cfg, w)
	good := err == nil && !report.Any()
	if !good && report != nil {
		report.Logs = w.dir
	}
	return report, errors.Join(err, w.close(good || ctx.Err() != nil)) // who interrupts wants nothing left
}

// A run is one verification under way.
type run struct {
	cfg     Config
	began   time.Time
	cast    cast
	ledger  *ledger
	tally   *tally
	court   *court
	doors   []*client.Client
	pool    *pgxpool.Pool // nil without a database
	fleet   *fleet
	live    *counters
	intrude *intruder // nil when nothing is private
	world   *world    // nil without chaos
	service []*client.Client
	claims  []*claims
}

func verify(ctx context.Context, cfg Config, w *world) (*Report, error) {
	r, err := newRun(ctx, cfg, w)
	if err != nil {
		return nil, err
	}
	defer r.close()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	if err := r.fleet.start(reading); err != nil {
		stop()
		r.fleet.running.Wait()
		return nil, fmt.Errorf("start readers: %w", err)
	}
	var sitting sync.WaitGroup
	var verdict error
	hearing, adjourn := context.WithCancel(ctx)
	defer adjourn()
	sitting.Go(func() { verdict = r.court.run(hearing) })
	sitting.Go(func() { r.progress(hearing) })
	err = r.write(ctx)
	r.end(ctx)
	stop()
	r.fleet.running.Wait()
	adjourn()
	sitting.Wait()
	if err := errors.Join(err, verdict, ctx.Err()); err != nil {
		return nil, err
	}
	if err := r.judge(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

func newRun(ctx context.Context, cfg Config, w *world) (_ *run, err error) {
	r := &run{
		cfg: cfg, began: time.Now(), cast: newCast(cfg.Secret, cfg.Duration+cfg.Settle+time.Hour, cfg.Readers),
		ledger: newLedger(), tally: &tally{}, live: newCounters(), world: w,
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.court = newCourt(r.ledger, r.tally)
	for _, url := range cfg.URLs {
		door, err := client.New(url)
		if err != nil {
			return nil, err
		}
		r.doors = append(r.doors, door)
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare posts: %w", err)
	}
	r.fleet, err = newFleet(cfg, r.cast, r.court, r.doors, r.live)
	return r, err
}

// open connects to the database, if there is one.
func (r *run) open(ctx context.Context) (err error) {
	if r.cfg.DatabaseURL == "" {
		return nil
	}
	if r.pool, err = pgxpool.New(ctx, r.cfg.DatabaseURL); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	r.court.recorder, err = newRecorder(ctx, r.pool, r.cast.topics(), r.court.truth, r.ledger, r.tally)
	return err
}

// prepare makes the posts, so that their owners are notified, and the clients and
// the intruder that need tokens.
func (r *run) prepare(ctx context.Context) error {
	if !r.cast.private() {
		return nil
	}
	token, err := r.cast.token("verify-"+r.cast.run+"-site", auth.RoleService)
	if err != nil {
		return err
	}
	r.service = as(r.doors, token)
	for i, post := range r.cast.posts {
		if _, err := r.service[0].PutPost(ctx, post, client.PostInput{AuthorID: r.cast.owner(i)}); err != nil {
			return err
		}
	}
	ways, err := r.cast.ways(r.doors)
	if err != nil {
		return err
	}
	r.intrude = &intruder{cast: r.cast, ways: ways, random: r.cfg.random("intruder", 0), tally: r.tally, live: r.live}
	return nil
}

func (r *run) close() {
	for _, d := range r.doors {
		d.CloseIdleConnections()
	}
	if r.pool != nil {
		r.pool.Close()
	}
}

// write has everyone write, and everything broken, for as long as is configured.
func (r *run) write(ctx context.Context) error {
	writing, stop := context.WithTimeout(ctx, r.cfg.Duration)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { r.stopWhenEnough(writing, stop) })
	for i := range r.cfg.Writers {
		act, err := r.writer(i)
		if err != nil {
			stop()
			all.Wait()
			return err
		}
		all.Go(func() { act(writing) })
	}
	if r.intrude != nil {
		all.Go(func() { r.intrude.run(writing) })
	}
	var err error
	if r.world != nil {
		all.Go(func() {
			if err = r.world.torment(writing, ctx, r); err != nil {
				stop() // a server that does not come back ends the run
			}
		})
	}
	all.Wait()
	return err
}

// stopWhenEnough calls stop as soon as Config.Until returns true.
func (r *run) stopWhenEnough(ctx context.Context, stop func()) {
	for r.cfg.Until != nil && ctx.Err() == nil {
		if r.cfg.Until(r.activity()) {
			stop()
			return
		}
		pause(ctx, untilEvery)
	}
}

func (r *run) activity() Activity {
	a := Activity{Writes: r.live.writes.Load(), Events: r.live.events.Load()}
	if r.world != nil {
		a.Injected = r.world.injected()
	}
	return a
}

// writer is writer i: with a database every third writes SQL, without tokens all.
func (r *run) writer(i int) (func(context.Context), error) {
	random := r.cfg.random("writer", i)
	if r.pool != nil && (i%3 == 2 || !r.cast.private()) {
		w := &sqlWriter{cast: r.cast, ledger: r.ledger, pool: r.pool, random: random, pace: r.cfg.Pace, live: r.live}
		return w.run, nil
	}
	user := fmt.Sprintf("verify-%s-writer-%d", r.cast.run, i)
	token, err := r.cast.token(user)
	if err != nil {
		return nil, err
	}
	w := &writer{
		cast: r.cast, ledger: r.ledger, doors: as(r.doors, token), service: r.service,
		random: random, pace: r.cfg.Pace, live: r.live, claims: newClaims(user),
	}
	r.claims = append(r.claims, w.claims)
	return w.run, nil
}

func (r *run) progress(ctx context.Context) {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		faults, _ := r.tally.sum()
		chaos := ""
		if r.world != nil {
			chaos = " · " + r.world.say()
		}
		fmt.Fprintf(r.cfg.Progress, "verify: %3.0f s · %d writes · %d events read · %d hops · %d gaps announced · wrong so far: %s%s\n",
			time.Since(r.began).Seconds(), r.live.writes.Load(), r.live.events.Load(), r.live.hops.Load(), r.live.gaps.Load(), faults.brief(), chaos)
	}
}
