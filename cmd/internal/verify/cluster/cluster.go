package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/localpg"
)

const (
	// Size is the number of instances.
	Size = 3
	// Heartbeat is the time between the heartbeats of a quiet stream.
	Heartbeat = time.Second

	// ringEvents is small, so that readers that resume often need the log.
	ringEvents = "500"
	// stopLimit is how long Postgres may take to stop.
	stopLimit = time.Minute
)

// A Config says what to run and where.
type Config struct {
	// Program is the path of the tidings program. Each instance runs "Program serve".
	Program string
	// Env is added to the environment of each instance. An instance inherits only
	// PATH, HOME and TMPDIR, and gets the settings that the cluster needs.
	Env []string
	// Dir is the folder of Postgres's data and of the logs, which Close keeps. By
	// default Start makes a temporary folder.
	Dir string
	// Progress gets a line that names the folder.
	Progress io.Writer
}

// A Cluster is a running Postgres and its instances. Its methods may be called from
// one goroutine at a time.
type Cluster struct {
	cfg       Config
	dir       string
	dsn       string
	secret    string
	postgres  *localpg.Server
	network   string // of Postgres's socket
	socket    string
	instances []*Instance
}

// Start starts Postgres and the instances, and returns when all of them are ready.
// The caller closes the cluster.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	c := &Cluster{cfg: cfg, secret: rand.Text() + rand.Text()}
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(false))
		}
	}()
	fmt.Fprintf(cfg.Progress, "verify: starting Postgres and %d instances in %s\n", Size, c.dir)
	if err := c.startPostgres(ctx); err != nil {
		return nil, err
	}
	for n := range Size {
		i, err := c.newInstance(n)
		if err != nil {
			return nil, err
		}
		c.instances = append(c.instances, i)
		if err := i.Start(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Dir is the folder of the logs and, unless Postgres needs another one, of its data.
func (c *Cluster) Dir() string { return c.dir }

// DSN is the address of the database, past all proxies.
func (c *Cluster) DSN() string { return c.dsn }

// Secret is the HS256 secret of the instances' tokens.
func (c *Cluster) Secret() string { return c.secret }

// Instances are all instances, in a fixed order.
func (c *Cluster) Instances() []*Instance { return c.instances }

// CrashPostgres ends Postgres without a checkpoint, as a power failure would.
func (c *Cluster) CrashPostgres(ctx context.Context) error { return c.postgres.Crash(ctx) }

// RestartPostgres starts Postgres again after CrashPostgres.
func (c *Cluster) RestartPostgres(ctx context.Context) error { return c.postgres.Restart(ctx) }

// AwaitReady returns nil when all instances are ready to deliver, and an error if an
// instance has ended or is not ready within two minutes.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	var errs []error
	for _, i := range c.instances {
		errs = append(errs, i.awaitReady(ctx))
	}
	return errors.Join(errs...)
}

// Close ends all processes. If remove is true and Config.Dir was empty, Close removes
// the data and the logs.
func (c *Cluster) Close(remove bool) error {
	remove = remove && c.cfg.Dir == ""
	var errs []error
	for _, i := range c.instances {
		errs = append(errs, i.close())
	}
	if c.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		errs = append(errs, c.postgres.Stop(ctx))
		if remove {
			errs = append(errs, os.RemoveAll(c.postgres.Dir())) // may lie outside of c.dir
		}
	}
	if remove {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

func (c *Cluster) makeDir() (err error) {
	c.dir = c.cfg.Dir
	if c.dir != "" {
		return os.MkdirAll(c.dir, 0o755)
	}
	if c.dir, err = os.MkdirTemp("", "tidings-verify-"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return os.Chmod(c.dir, 0o711) // if we are root, Postgres runs as another user
}

func (c *Cluster) startPostgres(ctx context.Context) (err error) {
	c.postgres, err = localpg.Start(ctx, localpg.Config{
		Dir:      filepath.Join(c.dir, "postgres"),
		Settings: map[string]string{"max_connections": "200", "fsync": "on", "synchronous_commit": "on"},
	})
	if err != nil {
		return err
	}
	c.dsn = c.postgres.DSN("tidings")
	cfg, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		return fmt.Errorf("parse DSN: %w", err)
	}
	c.network, c.socket = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	return nil
}

func (c *Cluster) dialPostgres(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, c.network, c.socket)
}

// dsnThrough is the DSN of the database by way of a proxy at the address.
func (c *Cluster) dsnThrough(address string) (string, error) {
	cfg, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		return "", fmt.Errorf("parse DSN: %w", err)
	}
	u := url.URL{Scheme: "postgres", User: url.User(cfg.User), Host: address, Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	return u.String(), nil
}

// env is the environment of an instance. Streams end after 10 s, so that a run meets
// many ends. The limits on readers are lifted, because all clients have one address.
func (c *Cluster) env() []string {
	var env []string
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); name == "PATH" || name == "HOME" || name == "TMPDIR" {
			env = append(env, entry)
		}
	}
	return append(append(env, c.cfg.Env...),
		"DATABASE_URL="+c.dsn, "TIDINGS_JWT_SECRET="+c.secret,
		"TIDINGS_RING_EVENTS="+ringEvents, "TIDINGS_HEARTBEAT="+Heartbeat.String(), "TIDINGS_MAX_AGE=10s", "TIDINGS_DRAIN=5s",
		"TIDINGS_RATE_LIMITS=off", "TIDINGS_MAX_STREAMS=10000",
		"TIDINGS_MAX_STREAMS_PER_ADDRESS=10000", "TIDINGS_MAX_STREAMS_PER_USER=10000",
		"TIDINGS_LOG_LEVEL=info")
}
