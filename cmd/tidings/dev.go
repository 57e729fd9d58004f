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
	"time"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
)

type devCommand struct {
	Addr string `env:"TIDINGS_ADDR" default:"127.0.0.1:8080" help:"Address to listen on, host:port. Everyone who reaches it can be any demo user."`
	Dir  string `default:".tidings" type:"path" help:"Folder of the private Postgres, its address (database-url) and the signing key (jwt-secret), kept between runs."`
	serverFlags
}

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
	if err := os.WriteFile(filepath.Join(c.Dir, "database-url"), []byte(dsn), 0o600); err != nil {
		return fmt.Errorf("note the database's address: %w", err)
	}
	psql := "psql " + quote(dsn)
	ctx, cancel := whilePostgresRuns(ctx, postgres)
	defer cancel(nil)
	err = run(ctx, instance{
		databaseFlags: databaseFlags{DatabaseURL: dsn}, serverFlags: c.serverFlags,
		addr: c.Addr, secret: secret, demo: newDemo(secret, psql, c.tokenCommand()), logger: logger,
		listening: func(addr net.Addr) {
			welcome(io.out, "http://"+addr.String(), demoLines("http://"+addr.String(), psql, c.tokenCommand()))
		},
	})
	if cause := context.Cause(ctx); errors.Is(cause, errPostgresGone) {
		err = errors.Join(cause, err)
	}
	return err
}

// tokenCommand is a command that prints a token of Cat's, for a shell to run.
func (c *devCommand) tokenCommand() string {
	command := os.Args[0] + " token --sub cat --name Cat"
	if here, err := filepath.Abs(".tidings"); err != nil || c.Dir != here {
		command += " --dir " + quote(c.Dir)
	}
	return "$(" + command + ")"
}

var errPostgresGone = errors.New("the private Postgres ended by itself: see postgres.log in its folder")

// whilePostgresRuns ends the server when its database has ended.
func whilePostgresRuns(ctx context.Context, postgres *localpg.Server) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-postgres.Done():
			cancel(errPostgresGone)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func stopPostgres(ctx context.Context, postgres *localpg.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := postgres.Stop(ctx); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}

func secretFile(dir string) string { return filepath.Join(dir, "jwt-secret") }

// devSecret returns the signing key of a folder, and makes it when there is none.
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
		return "", fmt.Errorf("keep secret: %w", err)
	}
	return made, nil
}

// welcome says what to do next.
func welcome(w io.Writer, base string, lines []api.DemoLine) {
	fmt.Fprintf(w, "\nTidings is running. Open %s/ in a browser: two users, live.\n", base)
	for _, line := range lines {
		fmt.Fprintf(w, "\n# %s\n%s\n", line.Title, line.Text)
	}
	fmt.Fprintf(w, "\nCtrl-C stops the server and its Postgres; what was written stays.\n\n")
}
