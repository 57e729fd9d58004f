package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
)

// The files that dev writes into its folder, besides Postgres's. Other programs read
// them: token reads jwt-secret, bench reads both.
const (
	secretName      = "jwt-secret"   // key that signs the tokens
	databaseURLName = "database-url" // DSN of the private Postgres
	urlName         = "url"          // address of the demo page, while dev runs
)

// stopLimit is how long Postgres may take to stop.
const stopLimit = 30 * time.Second

// devCommand runs a server with a private Postgres and the demo page. Postgres listens on
// a Unix socket only. Its data stays in the folder, so a second run continues with it.
// Only one run at a time can use a folder.
type devCommand struct {
	Addr string `env:"TIDINGS_ADDR" default:"127.0.0.1:8080" help:"Address to listen on, host:port. The server answers only to the hosts localhost, 127.0.0.1 and [::1]: anyone who can reach it can act as any demo user."`
	Dir  string `default:".tidings" type:"path" help:"Folder of the private Postgres, its address (database-url) and the key that signs tokens (jwt-secret). It stays between runs."`
	serverFlags
}

// Run starts Postgres, migrates and seeds the database, and serves until ctx ends or
// Postgres ends. It stops Postgres before it returns.
func (c *devCommand) Run(ctx context.Context, io streams) (err error) {
	logger, err := c.logger(io.err)
	if err != nil {
		return err
	}
	secret, err := devSecret(c.Dir)
	if err != nil {
		return err
	}
	postgres, err := localpg.Start(ctx, localpg.Config{Dir: filepath.Join(c.Dir, "postgres"), Logger: logger})
	if errors.Is(err, localpg.ErrRunning) {
		if url, unread := os.ReadFile(filepath.Join(c.Dir, urlName)); unread == nil {
			return fmt.Errorf("tidings dev is running already: open %s in a browser, or stop it first (%w)", url, err)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopPostgres(ctx, postgres)) }()

	dsn := postgres.DSN("tidings")
	if err := migrations.Up(ctx, dsn, logger); err != nil {
		return err
	}
	if err := seed(ctx, dsn); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, databaseURLName), []byte(dsn), 0o600); err != nil {
		return fmt.Errorf("write the database's address: %w", err)
	}
	defer os.Remove(filepath.Join(c.Dir, urlName))
	psql := "psql " + quote(dsn)
	ctx, stop := whilePostgresRuns(ctx, postgres)
	defer stop()
	err = run(ctx, instance{
		databaseFlags: databaseFlags{DatabaseURL: dsn}, serverFlags: c.serverFlags,
		addr: c.Addr, secret: secret, demo: newDemo(secret, psql, c.tokenCommand()), localOnly: true, logger: logger,
		listening: func(addr net.Addr) {
			if err := os.WriteFile(filepath.Join(c.Dir, urlName), []byte("http://"+addr.String()+"/"), 0o644); err != nil {
				logger.WarnContext(ctx, "the address is not noted for a second run", "err", err)
			}
			welcome(io.out, "http://"+addr.String(), demoLines("http://"+addr.String(), psql, c.tokenCommand()))
		},
	})
	if cause := context.Cause(ctx); errors.Is(cause, errPostgresGone) {
		err = errors.Join(cause, err)
	}
	return err
}

// tokenCommand is a shell command substitution that makes a token of the user Cat.
func (c *devCommand) tokenCommand() string {
	command := os.Args[0] + " token --sub cat --name Cat"
	if here, err := filepath.Abs(".tidings"); err != nil || c.Dir != here {
		command += " --dir " + quote(c.Dir)
	}
	return "$(" + command + ")"
}

var errPostgresGone = errors.New("the private Postgres has ended: see postgres.log in its folder")

// whilePostgresRuns returns a context that ends with ctx or, with the cause
// errPostgresGone, when Postgres ends. stop ends the context, and returns when the
// goroutine that watches Postgres has ended.
func whilePostgresRuns(ctx context.Context, postgres *localpg.Server) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-postgres.Done():
			cancel(errPostgresGone)
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); watching.Wait() }
}

// stopPostgres stops Postgres within stopLimit, also if ctx has ended.
func stopPostgres(ctx context.Context, postgres *localpg.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if err := postgres.Stop(ctx); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}

// secretFile is the path of the key that signs tokens in a folder of dev.
func secretFile(dir string) string { return filepath.Join(dir, secretName) }

// devSecret returns the key that signs tokens in a folder of dev. If there is none, it
// makes the folder and a random key.
func devSecret(dir string) (string, error) {
	secret, err := os.ReadFile(secretFile(dir))
	if err == nil {
		return string(secret), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	made := rand.Text() + rand.Text()
	if err := os.WriteFile(secretFile(dir), []byte(made), 0o600); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return made, nil
}

// welcome prints the address of the demo page and commands to try.
func welcome(w io.Writer, base string, lines []api.DemoLine) {
	fmt.Fprintf(w, "\nTidings is running. Open %s/ in a browser: two users, live.\n", base)
	for _, line := range lines {
		fmt.Fprintf(w, "\n# %s\n%s\n", line.Title, line.Text)
	}
	fmt.Fprintf(w, "\nCtrl-C stops the server and its Postgres. The data stays in the folder.\n\n")
}
