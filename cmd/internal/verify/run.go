package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/verify/cluster"
)

// concludeLimit bounds the checks at the end of a run, stoppedLimit those after it was
// stopped.
const (
	concludeLimit = 2 * time.Minute
	stoppedLimit  = 20 * time.Second
)

// Run verifies the servers of cfg and returns what it found. An error means that the
// run could not begin, for example because a server was not reachable. A report with
// faults is no error. If ctx ends or servers stay down, the report says what is known,
// and in Incomplete what is not.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Chaos == nil {
		return verify(ctx, cfg, nil)
	}
	c, err := cluster.Start(ctx, cluster.Config{
		Program: cfg.Chaos.Program, Env: cfg.Chaos.Env, Dir: cfg.Chaos.Dir, Progress: cfg.Progress,
	})
	if err != nil {
		return nil, err
	}
	for _, i := range c.Instances() {
		cfg.URLs = append(cfg.URLs, i.URL())
	}
	cfg.DatabaseURL, cfg.Secret = c.DSN(), c.Secret()
	cfg.Silence = 6 * cluster.Heartbeat
	report, err := verify(ctx, cfg, c)
	interrupted := ctx.Err() != nil
	good := err == nil && !report.Any() && (len(report.Incomplete) == 0 || interrupted)
	if !good && report != nil {
		report.Logs = c.Dir()
	}
	return report, errors.Join(err, c.Close(good || interrupted && report == nil))
}

// A run is one verification. Its phases are: reach the servers and create the posts
// (reach.go), start the readers (verify), write and inject faults (writing.go), publish
// verify.end until all readers have got it (closing.go), and check what is left
// (conclude).
type run struct {
	cfg          Config
	began        time.Time
	participants participants
	writes       *writeLog
	findings     *findings
	progress     *progress
	checker      *checker
	readers      *readerPool
	servers      []*client.Client    // without a token
	service      []*client.Client    // as the site's backend; nil without a secret
	moderators   []*client.Client    // as a moderator; nil without a secret
	pool         *pgxpool.Pool       // nil without a database
	unauthorized *unauthorizedReader // nil without a secret
	injector     *injector           // nil without Chaos
	acknowledged []*acknowledgedState
	likePosts    *likePosts
	recent       recentComments
	decided      [kinds]Decision
	leftOut      []string // why the report is incomplete
	down         bool     // a server does not answer at the end
}

func verify(ctx context.Context, cfg Config, c *cluster.Cluster) (*Report, error) {
	r, err := newRun(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if c != nil {
		r.injector = newInjector(c, r)
	}
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	if err := r.readers.start(reading); err != nil {
		stopReading()
		r.readers.wait()
		return nil, fmt.Errorf("start readers: %w", err)
	}
	if err := r.noteCounts(ctx); err != nil {
		stopReading()
		r.readers.wait()
		return nil, fmt.Errorf("note counts: %w", err)
	}
	var background sync.WaitGroup
	var checkErr error
	checking, stopChecking := context.WithCancel(ctx)
	defer stopChecking()
	background.Go(func() { checkErr = r.checker.run(checking) })
	background.Go(func() { r.showProgress(checking) })
	writeErr := r.write(ctx)
	r.publishEnds(ctx)
	stopReading()
	r.readers.wait()
	stopChecking()
	background.Wait()
	return r.conclude(ctx, writeErr, checkErr), nil
}

func newRun(ctx context.Context, cfg Config) (_ *run, err error) {
	r := &run{
		cfg: cfg, began: time.Now(), participants: newParticipants(cfg.Secret, cfg.Duration+cfg.Settle+time.Hour, cfg.Readers),
		writes: newWriteLog(), findings: &findings{}, progress: newProgress(),
	}
	r.likePosts = &likePosts{run: r.participants.run}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.checker = newChecker(r.writes, r.findings)
	for _, url := range cfg.URLs {
		server, err := client.New(url)
		if err != nil {
			return nil, err
		}
		r.servers = append(r.servers, server)
	}
	if err := errors.Join(r.reach(ctx)...); err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare posts: %w", err)
	}
	if err := r.checkSame(ctx); err != nil {
		return nil, err
	}
	r.readers, err = newReaderPool(cfg, r.participants, r.checker, r.servers, r.progress)
	return r, err
}

func (r *run) close() {
	for _, s := range r.servers {
		s.CloseIdleConnections()
	}
	if r.pool != nil {
		r.pool.Close()
	}
}

// conclude checks what is left when all readers and writers have stopped, and makes the
// report. If ctx has ended or failed is an error, the report says that it is incomplete.
func (r *run) conclude(ctx context.Context, failed ...error) *Report {
	stopped, limit := ctx.Err() != nil, concludeLimit
	if stopped {
		limit = stoppedLimit
		r.leaveOut("stopped before the end: what the readers had not read yet was not checked")
	}
	for _, err := range failed {
		if err != nil && !stopped {
			r.leaveOut(err.Error())
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	for _, err := range r.check(ctx, stopped) {
		r.leaveOut(err.Error())
	}
	if r.decided[kindLike].Decided == 0 && len(r.leftOut) == 0 {
		r.leaveOut("no like or unlike was decided: a longer --duration decides some")
	}
	return r.report()
}

// check makes the checks of the end of a run, and returns an error for each that could
// not be made.
func (r *run) check(ctx context.Context, stopped bool) (failed []error) {
	r.checkFinished(ctx, stopped)
	for _, check := range []struct {
		what string
		make func(context.Context) error
	}{
		{"compare readers with the log", r.checker.finish},
		{"compare counts", r.checkCounts},
		{"compare tables", r.checkTables},
		{"compare likes and changes of comments", r.checkAcknowledged},
		{"compare pages", r.checkPages},
		{"compare notifications", r.checkInboxes},
	} {
		if err := check.make(ctx); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", check.what, err))
		}
	}
	return failed
}

// leaveOut notes a reason why the report does not say everything.
func (r *run) leaveOut(reason string) { r.leftOut = append(r.leftOut, reason) }
