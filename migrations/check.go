package migrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// ErrNotMigrated is wrapped by the error of [Check] if [Up] can mend its cause.
var ErrNotMigrated = errors.New("the schema is not up to date: run tidings migrate")

// Check returns an error if this program cannot work with the schema of a database: there
// is none, it is older (ErrNotMigrated), or it excludes programs as old as this one. It
// changes nothing, and the DSN may lead to a pooler.
func Check(ctx context.Context, dsn string) error { return check(ctx, dsn, files) }

func check(ctx context.Context, dsn string, files fs.FS) error {
	r, err := load(files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	cfg, err := session.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("parse DSN: %w", err)
	}
	session.PinPooled(cfg, "tidings check")
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // leaves no prepared statement in the session of a pooler
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("check the schema: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	in, _, err := readRecords(ctx, conn)
	switch {
	case failsWith(err, []string{pgerrcode.UndefinedTable, pgerrcode.InvalidSchemaName}):
		return ErrNotMigrated
	case err != nil:
		return fmt.Errorf("check the schema: %w", err)
	}
	next, err := plan(r, in)
	if err == nil && next != nil {
		err = ErrNotMigrated
	}
	return err
}
