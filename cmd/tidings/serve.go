package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/migrations"
)

// demoTokenTTL is how long the token in the commands of the demo page is valid.
const demoTokenTTL = 24 * time.Hour

// serveCommand runs a server on an existing database. Several servers may share a
// database. Without a secret or a public key the server runs, but accepts no token: only
// public topics can be read, and only SQL can write.
type serveCommand struct {
	databaseFlags
	Addr      string `env:"TIDINGS_ADDR" default:":8080" help:"Address to listen on, host:port."`
	JWTSecret string `name:"jwt-secret" env:"TIDINGS_JWT_SECRET" help:"Secret of your tokens (HS256, HS384, HS512), at least 32 bytes. Prefer the environment: process lists show flags. Default: none."`
	Migrate   bool   `env:"TIDINGS_MIGRATE" default:"true" negatable:"" help:"Bring the schema up to date when the server starts."`
	Demo      bool   `env:"TIDINGS_DEMO" help:"Serve the demo page at /. The page gives tokens to everyone: never use it in production. Default: off."`
	serverFlags
}

// Run binds its address, waits for a database that is not up yet, migrates it, and serves
// until ctx ends. If migrations are turned off, it waits until the schema is up to date. It
// returns an error if a setting is unusable, if the database cannot be migrated, if its
// schema needs a newer program, or if requests do not end within the drain time.
func (c *serveCommand) Run(ctx context.Context, io streams) error {
	logger, err := c.logger(io.err)
	if err != nil {
		return err
	}
	if c.Demo && c.JWTSecret == "" {
		return errors.New("--demo needs --jwt-secret, to sign the tokens of its users")
	}
	if c.JWTSecret == "" && c.JWTPublicKey == "" {
		logger.WarnContext(ctx, "no key for tokens is set: users cannot sign in, and only public topics can be read")
	}
	var demo *api.Demo
	if c.Demo {
		logger.WarnContext(ctx, "the demo page is on: it gives tokens to everyone who can reach this server", "addr", c.Addr)
		token, err := auth.SignToken(c.JWTSecret, auth.Identity{Subject: "cat", Name: "Cat", Expires: time.Now().Add(demoTokenTTL)})
		if err != nil {
			return err
		}
		demo = newDemo(c.JWTSecret, `psql "$DATABASE_URL"`, token)
	}
	return run(ctx, instance{
		databaseFlags: c.databaseFlags, serverFlags: c.serverFlags,
		addr: c.Addr, secret: c.JWTSecret, demo: demo, logger: logger,
		prepare: func(ctx context.Context) error { return c.prepare(ctx, logger) },
	})
}

// prepare checks and migrates the database, and writes the content of the demo.
func (c *serveCommand) prepare(ctx context.Context, logger *slog.Logger) error {
	if err := c.check(ctx); err != nil {
		return err
	}
	var err error
	if c.Migrate {
		err = migrations.Up(ctx, c.direct(), logger)
	} else {
		err = migrations.Check(ctx, c.direct())
	}
	if err != nil {
		return err
	}
	audit(ctx, c.direct(), logger)
	if c.Demo {
		return seed(ctx, c.DatabaseURL)
	}
	return nil
}

// audit logs what is not as the migrations made it: what other roles could use to forge events, and
// triggers that do not fire. It is no reason not to start.
func audit(ctx context.Context, dsn string, logger *slog.Logger) {
	faults, err := migrations.Audit(ctx, dsn)
	if err != nil {
		logger.WarnContext(ctx, "the rights and objects of the schema were not checked", "err", err)
	}
	for _, f := range faults {
		logger.WarnContext(ctx, "the schema is not as Tidings makes it", "fault", f.Text, "mend", f.Mend)
	}
}
