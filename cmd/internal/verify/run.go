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
	"github.com/tidings-live/tidings/cmd/internal/verify/cluster"
	"github.com/tidings-live/tidings/store/session"
)

// Run verifies the servers of cfg and returns what it found. An error means that there
// is no result, for example because a server was not reachable or ctx ended. A report
// with faults is no error.
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
	good := err == nil && !report.Any()
	if !good && report != nil {
		report.Logs = c.Dir()
	}
	interrupted := ctx.Err() != nil
	return report, errors.Join(err, c.Close(good || interrupted))
}

// A run is one verification. Its phases are: start the readers (verify), write and
// inject faults (writing.go), publish verify.end until all readers have got it
// (closing.go), and check what is left (check).
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
	pool         *pgxpool.Pool       // nil without a database
	unauthorized *unauthorizedReader // nil without a secret
	injector     *injector           // nil without Chaos
	acknowledged []*acknowledgedState
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
	if err := errors.Join(writeErr, checkErr, ctx.Err()); err != nil {
		return nil, err
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

func newRun(ctx context.Context, cfg Config) (_ *run, err error) {
	r := &run{
		cfg: cfg, began: time.Now(), participants: newParticipants(cfg.Secret, cfg.Duration+cfg.Settle+time.Hour, cfg.Readers),
		writes: newWriteLog(), findings: &findings{}, progress: newProgress(),
	}
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
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare posts: %w", err)
	}
	r.readers, err = newReaderPool(cfg, r.participants, r.checker, r.servers, r.progress)
	return r, err
}

// connect connects to the database, if one is configured, and begins to copy the log.
func (r *run) connect(ctx context.Context) (err error) {
	if r.cfg.DatabaseURL == "" {
		return nil
	}
	cfg, err := pgxpool.ParseConfig(r.cfg.DatabaseURL)
	if err != nil {
		return fmt.Errorf("parse database URL: %w", err)
	}
	session.PinPooled(cfg.ConnConfig, "tidings verify")
	if r.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	r.checker.recorder, err = newRecorder(ctx, r.pool, r.participants.topics(), r.checker.log, r.writes, r.findings)
	return err
}

// prepare creates the posts, whose authors get notifications, and the unauthorized
// reader. Without a secret there are no tokens for that, and it does nothing.
func (r *run) prepare(ctx context.Context) error {
	p := r.participants
	if !p.private() {
		return nil
	}
	token, err := p.token("verify-"+p.run+"-site", auth.RoleService)
	if err != nil {
		return err
	}
	r.service = asUser(r.servers, token)
	for i, post := range p.posts {
		if _, err := r.service[0].PutPost(ctx, post, client.PostInput{AuthorID: client.Value(p.author(i))}); err != nil {
			return err
		}
	}
	forbidden, err := p.forbidden(r.servers)
	if err != nil {
		return err
	}
	r.unauthorized = &unauthorizedReader{
		participants: p, forbidden: forbidden, random: r.cfg.random("unauthorized", 0), findings: r.findings, progress: r.progress,
	}
	return nil
}

func (r *run) close() {
	for _, s := range r.servers {
		s.CloseIdleConnections()
	}
	if r.pool != nil {
		r.pool.Close()
	}
}

// check checks everything that is left, when all readers and writers have stopped.
func (r *run) check(ctx context.Context) error {
	r.checkFinished()
	if err := r.checker.finish(ctx); err != nil {
		return err
	}
	if err := r.checkCounts(ctx); err != nil {
		return fmt.Errorf("compare counts: %w", err)
	}
	if err := r.checkTables(ctx); err != nil {
		return fmt.Errorf("compare tables: %w", err)
	}
	return nil
}
