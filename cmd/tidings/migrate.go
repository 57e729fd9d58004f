package main

import (
	"context"

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
	if err := c.check(ctx); err != nil {
		return err
	}
	if err := migrations.Up(ctx, c.direct(), logger); err != nil {
		return err
	}
	logger.InfoContext(ctx, "schema is up to date")
	return nil
}
