package verify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/localpg"
)

const (
	worldInstances = 3
	// ringEvents is small, so that resuming readers often need the log.
	ringEvents = "500"
)

// A world is a Postgres and instances of our own, to be broken.
type world struct {
	chaos     Chaos
	dir       string
	dsn       string
	secret    string
	postgres  *localpg.Server
	network   string // of Postgres's socket
	socket    string
	instances []*instance

	mu    sync.Mutex // guards what follows
	count map[string]int64
	doing string
}

// newWorld starts everything and points cfg at it.
func newWorld(ctx context.Context, cfg *Config) (_ *world, err error) {
	w := &world{chaos: *cfg.Chaos, secret: rand.Text() + rand.Text(), count: make(map[string]int64)}
	setDefault(&w.chaos.Burst, 100_000)
	if err := w.makeDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(false))
		}
	}()
	fmt.Fprintf(cfg.Progress, "verify: starting Postgres and %d instances in %s\n", worldInstances, w.dir)
	// Durable: what was acknowledged must survive.
	w.postgres, err = localpg.Start(ctx, localpg.Config{
		Dir:      filepath.Join(w.dir, "postgres"),
		Settings: map[string]string{"max_connections": "200", "fsync": "on", "synchronous_commit": "on"},
	})
	if err != nil {
		return nil, err
	}
	w.dsn = w.postgres.DSN("tidings")
	if err := w.locate(); err != nil {
		return nil, err
	}
	for n := range worldInstances {
		i, err := w.newInstance(ctx, n)
		if err != nil {
			return nil, err
		}
		w.instances = append(w.instances, i)
		if err := i.start(ctx); err != nil {
			return nil, err
		}
		cfg.URLs = append(cfg.URLs, i.url())
	}
	cfg.DatabaseURL, cfg.Secret = w.dsn, w.secret
	cfg.Silence = 6 * time.Second // heartbeats come every second
	return w, nil
}

func (w *world) makeDir() (err error) {
	w.dir = w.chaos.Dir
	if w.dir != "" {
		return os.MkdirAll(w.dir, 0o755)
	}
	if w.dir, err = os.MkdirTemp("", "tidings-verify-"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return os.Chmod(w.dir, 0o711) // root's Postgres runs as another user
}

// locate finds Postgres's socket.
func (w *world) locate() error {
	cfg, err := pgx.ParseConfig(w.dsn)
	if err != nil {
		return fmt.Errorf("parse DSN: %w", err)
	}
	w.network, w.socket = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	return nil
}

func (w *world) dialPostgres(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, w.network, w.socket)
}

// through is the DSN of the database by way of a proxy at the address.
func (w *world) through(address string) string {
	cfg, err := pgx.ParseConfig(w.dsn)
	if err != nil {
		return w.dsn // it was parsed before
	}
	u := url.URL{Scheme: "postgres", User: url.User(cfg.User), Host: address, Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

// env is the environment of an instance. Streams end young, so that this happens,
// and rate limits are lifted: all clients come from one address.
func (w *world) env() []string {
	var env []string
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); name == "PATH" || name == "HOME" || name == "TMPDIR" {
			env = append(env, entry)
		}
	}
	return append(append(env, w.chaos.Env...),
		"DATABASE_URL="+w.dsn, "TIDINGS_JWT_SECRET="+w.secret,
		"TIDINGS_RING_EVENTS="+ringEvents, "TIDINGS_HEARTBEAT=1s", "TIDINGS_MAX_AGE=10s", "TIDINGS_DRAIN=5s",
		"TIDINGS_RATE_LIMITS=off", "TIDINGS_MAX_STREAMS=10000",
		"TIDINGS_MAX_STREAMS_PER_ADDRESS=10000", "TIDINGS_MAX_STREAMS_PER_USER=10000",
		"TIDINGS_LOG_LEVEL=info")
}

// close ends everything and, after a good run, removes it, unless the folder was
// given.
func (w *world) close(good bool) error {
	var errs []error
	for _, i := range w.instances {
		errs = append(errs, i.close())
	}
	if w.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs = append(errs, w.postgres.Stop(ctx))
		if good && w.chaos.Dir == "" {
			errs = append(errs, os.RemoveAll(w.postgres.Dir())) // may be elsewhere than in dir
		}
	}
	if good && w.chaos.Dir == "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// did counts a fault. One that was tried and had nothing to break is told with a zero.
func (w *world) did(kind string, broke bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.count[kind]
	if broke {
		n++
	}
	w.count[kind] = n
}

func (w *world) begin(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doing = kind
}

// say is what goes on, for those who watch.
func (w *world) say() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum int64
	for _, n := range w.count {
		sum += n
	}
	return fmt.Sprintf("%d faults, now %s", sum, w.doing)
}

func (w *world) injected() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.count)
}
