package main

import (
	"context"

	"github.com/tidings-live/tidings/migrations"
)

type migrateCommand struct {
	databaseFlags
	logFlags
}

func (c *migrateCommand) Run(ctx context.Context, io streams) error {
	logger, err := c.logger(io.err)
	if err != nil {
		return err
	}
	if err := migrations.Up(ctx, c.direct(), logger); err != nil {
		return err
	}
	logger.InfoContext(ctx, "schema is up to date")
	return nil
}
