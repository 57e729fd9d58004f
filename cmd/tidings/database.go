package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// errUncompared is the error of check if it cannot connect to --database-url.
var errUncompared = errors.New("DATABASE_URL")

// check returns an error if --listen-url leads to another database than --database-url.
func (f databaseFlags) check(ctx context.Context) error {
	if f.ListenURL == "" || f.ListenURL == f.DatabaseURL {
		return nil
	}
	pooled, err := identify(ctx, f.DatabaseURL)
	if err != nil {
		return fmt.Errorf("%w: %w", errUncompared, err)
	}
	direct, err := identify(ctx, f.ListenURL)
	if err != nil {
		return fmt.Errorf("TIDINGS_LISTEN_URL: %w", err)
	}
	if pooled != direct {
		return fmt.Errorf("TIDINGS_LISTEN_URL leads to another database (%v) than DATABASE_URL (%v)", direct, pooled)
	}
	return nil
}

// A databaseID tells databases apart, on all servers. No right is needed to read it.
type databaseID struct{ name, oid, started string }

// String names the database.
func (id databaseID) String() string {
	return fmt.Sprintf("%s, on a server that was started at %s", id.name, id.started)
}

func identify(ctx context.Context, url string) (id databaseID, err error) {
	cfg, err := session.ParseConfig(url)
	if err != nil {
		return id, fmt.Errorf("parse: %w", err)
	}
	session.PinPooled(cfg, "tidings check")
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // a pooler may keep no statements
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return id, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `
		select datname::text, oid::text, pg_catalog.pg_postmaster_start_time()::text
		from pg_catalog.pg_database
		where datname = pg_catalog.current_database()`).Scan(&id.name, &id.oid, &id.started)
	return id, err
}
