package main

import (
	"context"
	"errors"

	"github.com/tidings-live/tidings/migrations"
)

// migrateCommand migrates a database, for deployments that start servers with
// --no-migrate.
type migrateCommand struct {
	databaseFlags
	logFlags
}

// Run migrates the database. It does nothing if the schema is up to date.
func (c *migrateCommand) Run(ctx context.Context, io streams) error {
	logger, err := c.logger(io.err)
	if err != nil {
		return err
	}
	switch err := c.check(ctx); {
	case errors.Is(err, errUncompared): // a migration does not use DATABASE_URL
		logger.WarnContext(ctx, "the database of TIDINGS_LISTEN_URL is migrated; whether DATABASE_URL leads to it is unknown", "err", err)
	case err != nil:
		return err
	}
	if err := migrations.Up(ctx, c.direct(), logger); err != nil {
		return err
	}
	logger.InfoContext(ctx, "schema is up to date")
	return nil
}
