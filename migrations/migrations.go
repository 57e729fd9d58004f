package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed *.sql
var files embed.FS

// MinimumVersion is the oldest Postgres that has what the schema uses: UNIQUE NULLS
// NOT DISTINCT and unlogged sequences, as server_version_num.
const MinimumVersion = 150000

// lockKey is the advisory lock that one migrator holds at a time. Advisory locks
// are per database; the number is "tidings" in the letters' positions, mod 2^31.
const lockKey = 2009490719

// lockTimeout bounds each wait for a table that somebody else uses. A waiting
// ALTER TABLE blocks everyone behind it, so we give up, let them pass for longer than
// they have waited, and retry.
const (
	lockTimeout = time.Second
	pause       = 2 * time.Second // and up to as much again
)

// Up brings the database up to date. Any number of instances may call it at once:
// one migrates, the others wait for it. It retries while a lock cannot be had
// or ends in a deadlock, until ctx ends. The DSN must reach Postgres itself, not a transaction pooler.
//
// It needs Postgres 15 or newer, the encoding UTF8 and a role that may create a schema
// in the database, or objects in a schema tidings that is there, and says so when one
// is missing. Whoever else may create objects in that schema can act as the role.
func Up(ctx context.Context, dsn string, logger *slog.Logger) error {
	for {
		err := up(ctx, dsn, logger)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != pgerrcode.LockNotAvailable && pg.Code != pgerrcode.DeadlockDetected {
			return err
		}
		logger.WarnContext(ctx, "migration waits for a lock", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause + rand.N(pause)):
		}
	}
}

func up(ctx context.Context, dsn string, logger *slog.Logger) error {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	if err := requirements(ctx, conn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, lockKey); err != nil {
		return fmt.Errorf("migrate: wait for another migrator: %w", err)
	}
	if err := createSchema(ctx, conn); err != nil {
		return fmt.Errorf("migrate: create schema tidings: %w", err)
	}
	migrator, err := newMigrator(ctx, conn, logger)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := ahead(ctx, migrator); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := migrator.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse DSN: %w", err)
	}
	cfg.RuntimeParams["application_name"] = "tidings migrate"
	cfg.RuntimeParams["lock_timeout"] = lockTimeout.String()
	// pg_catalog first: the database's own search_path may hold anything.
	cfg.RuntimeParams["search_path"] = "pg_catalog"
	cfg.RuntimeParams["standard_conforming_strings"] = "on" // what a CHECK says is read but once
	return pgx.ConnectConfig(ctx, cfg)
}

// createSchema makes the schema if it is missing. IF NOT EXISTS alone would ask for the
// right to make one even where it is there: made by an administrator, or up to date.
func createSchema(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
		do $$
		begin
			if to_regnamespace('tidings') is null then
				create schema if not exists tidings;
			end if;
		end
		$$`)
	return err
}

func newMigrator(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) (*migrate.Migrator, error) {
	migrator, err := migrate.NewMigrator(ctx, conn, "tidings.schema_version")
	if err != nil {
		return nil, err
	}
	migrator.OnStart = func(number int32, name, _, _ string) {
		logger.InfoContext(ctx, "migrating", "number", number, "name", name)
	}
	return migrator, migrator.LoadMigrations(files)
}

// ahead refuses a database that a newer Tidings has migrated already.
func ahead(ctx context.Context, migrator *migrate.Migrator) error {
	current, err := migrator.GetCurrentVersion(ctx)
	if err != nil {
		return err
	}
	if newest := int32(len(migrator.Migrations)); current > newest {
		return fmt.Errorf("the schema has version %d, this program knows %d: run a newer tidings", current, newest)
	}
	return nil
}

func requirements(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding string
	err := conn.QueryRow(ctx, `
		select
			current_setting('server_version_num')::int,
			current_setting('server_encoding')`,
	).Scan(&version, &encoding)
	if err != nil {
		return err
	}
	if version < MinimumVersion {
		return fmt.Errorf("server has version %d: Postgres 15 or newer is needed", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s: UTF8 is needed", encoding)
	}
	return nil
}
